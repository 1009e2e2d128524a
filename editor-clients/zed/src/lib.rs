//! Unmask in Zed: where the server is, and the settings it is started with. The work is the server's.

use zed_extension_api::{
    self as zed, serde_json, settings::LspSettings, Command, LanguageServerId, Result, Worktree,
};

struct Unmask;

impl zed::Extension for Unmask {
    fn new() -> Self {
        Unmask
    }

    /// `lsp.unmask.binary` of Zed's settings, or `unmask` on the PATH.
    fn language_server_command(&mut self, id: &LanguageServerId, worktree: &Worktree) -> Result<Command> {
        let binary = LspSettings::for_worktree(id.as_ref(), worktree)?.binary;
        let (path, arguments) = binary.map(|said| (said.path, said.arguments)).unwrap_or_default();
        let command = path
            .or_else(|| worktree.which("unmask"))
            .ok_or("`unmask` is not on the PATH; give its path as lsp.unmask.binary.path in Zed's settings")?;
        Ok(Command {
            command,
            args: arguments.unwrap_or_else(|| vec!["serve".into()]),
            env: worktree.shell_env(),
        })
    }

    /// `lsp.unmask.initialization_options` of Zed's settings.
    fn language_server_initialization_options(
        &mut self,
        id: &LanguageServerId,
        worktree: &Worktree,
    ) -> Result<Option<serde_json::Value>> {
        Ok(LspSettings::for_worktree(id.as_ref(), worktree)?.initialization_options)
    }
}

zed::register_extension!(Unmask);
