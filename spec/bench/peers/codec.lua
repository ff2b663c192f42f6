-- lua-cjson, measured as ours is: lua5.4 codec.lua "json decode PATH MILLISECONDS"
package.path = arg[0]:gsub("[^/]*$", "") .. "../perigee/?.lua;" .. package.path

require "measured".run(arg[1], { json = require "cjson" })
