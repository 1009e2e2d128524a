if vim.g.loaded_unmask then
  return
end
vim.g.loaded_unmask = true

vim.api.nvim_create_user_command("Unmask", function(args)
  require("unmask.commands").run(args)
end, {
  nargs = "+",
  range = true,
  desc = "Fill, edit and steer Unmask",
  complete = function(lead, line)
    return require("unmask.commands").complete(lead, line)
  end,
})
