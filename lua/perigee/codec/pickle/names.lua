--- What a pickle may name. Python's pickles make by name what has no opcode of its own: sets and bytes in the older
--- protocols, and exceptions. These are known here, as data; nothing is ever looked up, and all else is refused.

local M <const> = {}

local exceptions <const> = {}
for name in ([[
  BaseException BaseExceptionGroup Exception ExceptionGroup GeneratorExit KeyboardInterrupt SystemExit ArithmeticError
  AssertionError AttributeError BlockingIOError BrokenPipeError BufferError ChildProcessError ConnectionAbortedError
  ConnectionError ConnectionRefusedError ConnectionResetError EOFError FileExistsError FileNotFoundError
  FloatingPointError ImportError IndentationError IndexError InterruptedError IsADirectoryError KeyError LookupError
  MemoryError ModuleNotFoundError NameError NotADirectoryError NotImplementedError OSError IOError EnvironmentError
  OverflowError PermissionError ProcessLookupError PythonFinalizationError RecursionError ReferenceError RuntimeError
  StandardError StopAsyncIteration StopIteration SyntaxError SystemError TabError TimeoutError TypeError
  UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError ValueError
  ZeroDivisionError BytesWarning DeprecationWarning EncodingWarning FutureWarning ImportWarning
  PendingDeprecationWarning ResourceWarning RuntimeWarning SyntaxWarning UnicodeWarning UserWarning
  Warning]]):gmatch "%a+" do
  exceptions[name] = true
end

--- Python 2 has none of these.
local later <const> = {}
for name in ([[
  BaseExceptionGroup BlockingIOError BrokenPipeError ChildProcessError ConnectionAbortedError ConnectionError
  ConnectionRefusedError ConnectionResetError EncodingWarning ExceptionGroup FileExistsError FileNotFoundError
  InterruptedError IsADirectoryError ModuleNotFoundError NotADirectoryError PermissionError ProcessLookupError
  PythonFinalizationError RecursionError ResourceWarning StopAsyncIteration TimeoutError]]):gmatch "%a+" do
  later[name] = true
end

local builtins <const> = { builtins = true, __builtin__ = true, exceptions = true }

--- The types that are made by their names.
local types <const> = { set = "set", frozenset = "frozenset", bytes = "bytes", bytearray = "bytes" }

---@param name string
---@return boolean
function M.is_exception(name)
  return exceptions[name] == true
end

--- Where an exception is, for a peer that reads this protocol.
---@param name string
---@param protocol integer
---@return string module
function M.module_of(name, protocol)
  return protocol < 3 and not later[name] and "exceptions" or "builtins"
end

--- What a name stands for: how it is made, and of exceptions which one; nil: it is refused.
---@param module string
---@param name string
---@param with_exceptions boolean are they taken?
---@return "set"|"frozenset"|"bytes"|"encode"|"exception"|nil maker
function M.maker(module, name, with_exceptions)
  if module == "_codecs" and name == "encode" then return "encode" end
  if not builtins[module] then return nil end
  return types[name] or with_exceptions and exceptions[name] and "exception" or nil
end

--- A name as it may be shown: somebody else has chosen it.
---@param name string
---@return string
function M.shown(name)
  local clean <const> = name:gsub("[^\33-\126]", "?")
  return #clean > 60 and clean:sub(1, 60) .. "..." or clean
end

return M
