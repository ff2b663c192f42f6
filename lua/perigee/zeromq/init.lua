--- ZeroMQ: sockets that speak ZMTP 3.0 and 3.1 with the NULL mechanism, so that libzmq is at the other end.
---   local zeromq = require "perigee.zeromq"
---   zeromq.rep(function(text) return "Stop saying " .. text end):bind "tcp://127.0.0.1:6789"
---   local asking = zeromq.req()   asking:connect "tcp://127.0.0.1:6789"   print(asking:request "hello")
---   local news = zeromq.pub()     news:bind "tcp://127.0.0.1:6790"        news:send("cats", "siamese")
---   local sub = zeromq.sub "cats" sub:connect "tcp://127.0.0.1:6790"      print(sub:receive())
--- Every socket binds and connects, as often as wanted: socket:bind(urls, options of net.serve), socket:connect(url,
--- options of net.connect), socket:close(). It connects again when a connection has ended. A socket belongs to the
--- version of the service that has made it.
---
--- A request whose handler fails is answered with an empty part, or what the option `failed` of rep says: a REQ socket
--- of libzmq would wait for ever otherwise, as it does when the service ends before it has answered. A client that must
--- go on then sets RCVTIMEO, and REQ_RELAXED with REQ_CORRELATE, or makes a new socket. Ours is told "closed".

local publish <const> = require "perigee.zeromq.publish"
local request <const> = require "perigee.zeromq.request"

return {
  rep = request.rep,
  req = request.req,
  pub = publish.pub,
  xpub = publish.xpub,
  sub = publish.sub,
}
