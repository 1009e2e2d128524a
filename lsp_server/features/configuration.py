"""``initialize`` to ``shutdown``, and every way settings arrive: at the start, pulled, pushed, from files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from lsp_server import from_lsp, options
from lsp_server.features import completion
from lsp_server.options import Options

if TYPE_CHECKING:
    from lsp_server.server import Server

log = logging.getLogger(__name__)

SECTION = "unmask"
_CAN_BE_ASKED = "workspace.configuration"
_ANSWER_SECONDS = 5.0


def register(server: Server) -> None:
    """Follow the connection's life and the settings."""
    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.INITIALIZED)(initialized)
    server.feature(types.SHUTDOWN)(shutdown)
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change_configuration)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(did_change_workspace_folders)
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(did_change_watched_files)


def initialize(ls: Server, params: types.InitializeParams) -> None:
    """Take the folders and the first settings; nothing is loaded yet."""
    ls.protocol.use_own_workspace()
    said = options.from_json(params.initialization_options, ls.announcer.warn, origin="initializationOptions")
    ls.session.set_initial(said)
    roots = [folder.uri for folder in params.workspace_folders or ()]
    root = ls.workspace.root_uri
    ls.session.set_folders(roots or ([root] if root else []))
    completion.withhold(ls)


async def initialized(ls: Server, _params: types.InitializedParams) -> None:
    """Ask for the settings, then open the engine in the background."""
    ls.announcer.connect()
    if ls.client_supports("workspace.did_change_configuration.dynamic_registration"):
        registration = types.Registration(
            id="unmask-configuration",
            method=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
            register_options=types.DidChangeConfigurationRegistrationOptions(section=SECTION),
        )
        ls.client_register_capability(types.RegistrationParams([registration]))
    ls.follow(ls.process_id)
    await _pull(ls)
    completion.announce(ls)
    ls.session.start()
    _settle(ls)


def shutdown(ls: Server, _params: object) -> None:
    """Watch and compute nothing any more; the process ends at ``exit``."""
    ls.watcher.stop()
    ls.related_watcher.stop()
    ls.session.close(0)


async def did_change_configuration(ls: Server, params: types.DidChangeConfigurationParams) -> None:
    """Take the settings for us among what a client pushes, and prefer those it gives when asked."""
    pushed = params.settings
    if isinstance(pushed, Mapping) and SECTION in pushed:
        ls.session.configure(_read(ls, pushed[SECTION]), {})
    await _pull(ls)
    _settle(ls)


async def did_change_workspace_folders(ls: Server, _params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Take the folders as they are now, and ask for the settings of those that are new."""
    ls.session.set_folders(folder.uri for folder in ls.workspace.folders.values())
    await _pull(ls)
    _settle(ls)


def did_change_watched_files(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
    """What a client's own watcher saw counts like what ours saw."""
    names = frozenset(from_lsp.path_key(change.uri).rpartition("/")[2] for change in params.changes)
    ls.session.related.forget(names)
    files_changed(ls, names)


def files_changed(ls: Server, names: frozenset[str]) -> None:
    """Settings files, or the model's manifest, have changed on disk."""
    log.info("changed on disk: %s", ", ".join(sorted(names)))
    if "manifest.json" in names:
        ls.session.reload()
    else:
        ls.session.refresh()
    _settle(ls)


def _settle(ls: Server) -> None:
    """Have what follows from the settings outside the session follow them."""
    ls.watcher.watch(ls.session.watched())
    logging.getLogger("lsp_server").setLevel(ls.session.elsewhere.log_level.upper())


async def _pull(ls: Server) -> None:
    """Ask the client for its settings and wait for them a while; a late answer counts when it comes."""
    if not ls.client_supports(_CAN_BE_ASKED):
        return
    ls.asked += 1
    taken = asyncio.create_task(_take_answer(ls, ls.asked))
    _, late = await asyncio.wait([taken], timeout=_ANSWER_SECONDS)
    if late:
        log.warning("the client has not given its settings yet")


async def _take_answer(ls: Server, question: int) -> None:
    """Ask for the settings, each folder's too; take them unless a later question was answered first."""
    keys = list(ls.session.folders)
    items = [types.ConfigurationItem(section=SECTION)]
    items += [types.ConfigurationItem(scope_uri=ls.session.folders[key].uri, section=SECTION) for key in keys]
    try:
        everywhere, *by_folder = await ls.workspace_configuration_async(
            types.ConfigurationParams(items=items)
        )
    except (JsonRpcException, ValueError) as error:
        log.warning("the client did not give its settings: %s", error)
        return
    if question < ls.answered:
        return
    ls.answered = question
    read = {key: _read(ls, said) for key, said in zip(keys, by_folder, strict=False)}
    if everywhere is not None or any(said is not None for said in by_folder):
        ls.session.configure(_read(ls, everywhere), read)
        completion.announce(ls)
        _settle(ls)


def _read(ls: Server, section: Any) -> Options:
    return options.from_json(section, ls.announcer.warn, origin="editor settings")
