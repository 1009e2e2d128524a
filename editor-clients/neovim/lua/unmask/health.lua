--- `:checkhealth unmask`: what is needed, what is there, and what to do about the rest.
local M = {}

function M.check()
  local health = vim.health
  local config = require("unmask.config").current
  local client_of = require("unmask.client")
  health.start("Unmask")

  if vim.lsp.inline_completion then
    health.ok("Neovim " .. tostring(vim.version()) .. " shows ghost text")
  elseif vim.fn.has("nvim-0.11") == 1 then
    health.info("Neovim 0.11 has no ghost text: suggestions are in the completion list. 0.12 has it.")
  else
    health.error("Neovim 0.11 or later is needed", "Get a newer Neovim.")
  end

  local program = config.cmd[1]
  local path = vim.fn.exepath(program)
  if path == "" then
    health.error(("there is no program %q on Neovim's PATH"):format(program), {
      "Install Unmask, or give its path: require('unmask').setup({ cmd = { '/path/to/unmask', 'serve' } })",
    })
    return
  end
  local answered = vim.system({ path, "--version" }, { text = true }):wait(20000)
  if answered.code ~= 0 then
    health.error(("%s --version failed: %s"):format(path, vim.trim(answered.stderr or "")), {
      "Run `" .. path .. " doctor` in a terminal.",
    })
    return
  end
  health.ok(("%s (%s)"):format(path, vim.trim(answered.stdout)))

  local client = client_of.get()
  if not client then
    health.info("The server is not running: it starts with the first file of: " .. table.concat(config.filetypes, ", "))
    return
  end
  local status = client_of.status_of(client)
  if status and status.state == "failed" then
    health.error(status.message, { "Run `" .. path .. " doctor` in a terminal." })
  elseif status then
    health.ok(("The server is %s: %s"):format(status.state, status.message))
  else
    health.info("The server has started and said nothing yet")
  end
end

return M
