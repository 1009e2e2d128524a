/**
 * A process → a language client of it, with what this extension adds to the stock one.
 *
 * That is: settings as the user said them, edits that wait for confirmation where that is wanted, and work that
 * can be seen and stopped.
 */

import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

import * as vscode from "vscode";
import {
  type ApplyWorkspaceEditParams,
  type ApplyWorkspaceEditResult,
  CancellationToken,
  CloseAction,
  type CodeAction,
  CodeActionResolveRequest,
  DidChangeConfigurationNotification,
  ErrorAction,
  LanguageClient,
  type Middleware,
  ResponseError,
  type WorkspaceEdit,
} from "vscode-languageclient/node";

import type { Canvas } from "./canvas";
import { SECTION } from "./configuration";
import { newFiles } from "./confirm";
import { isCancelled, tellUser } from "./failure";
import type { Preview } from "./preview";
import type { ServerProcess } from "./process";
import { CANVAS, type CanvasFrame } from "./protocol";
import { levelOf } from "./reason";
import type { Work } from "./work";

/** What a connection is made with. */
export interface Means {
  readonly log: vscode.LogOutputChannel;
  readonly work: Work;
  readonly canvas: Canvas;
  /** The options that the user has set, everywhere or for a folder. */
  readonly said: (scope?: vscode.Uri) => Record<string, unknown>;
  readonly preview: Preview;
}

/** A client of a server's process, not started yet. */
export function connect(process: ServerProcess, means: Means): LanguageClient {
  const client: LanguageClient = new LanguageClient("unmask", "Unmask", () => Promise.resolve(process.child), {
    documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
    initializationOptions: () => means.said(),
    outputChannel: means.log,
    stdioOptions: { stdout: () => undefined, stderr: forward },
    // `Server` starts it again, and says so.
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => ({ action: CloseAction.DoNotRestart, handled: true, message: "The connection has ended." }),
    },
    initializationFailedHandler: () => false,
    middleware: middleware(() => client, means),
  });
  client.onNotification(CANVAS, (frame: CanvasFrame) => means.canvas.show(frame, client));
  return client;
}

/** What the server writes to its standard error, each line with the level that it has there. */
function forward(input: Readable, log: vscode.LogOutputChannel): void {
  createInterface({ input }).on("line", (line) => log[levelOf(line)](line));
}

function middleware(client: () => LanguageClient, means: Means): Middleware {
  return {
    async provideInlineCompletionItems(document, position, context, token, next) {
      if (context.triggerKind === vscode.InlineCompletionTriggerKind.Automatic) {
        return next(document, position, context, token);
      }
      try {
        return await means.work.run("suggesting", (stop) => next(document, position, context, stop), token);
      } finally {
        means.canvas.clear();
      }
    },
    async resolveCodeAction(item, token) {
      return means.work.run("working", (stop) => resolve(client(), item, stop, means), token);
    },
    workspace: {
      configuration: (params) =>
        params.items.map((item) => {
          const scope = item.scopeUri === undefined ? undefined : client().protocol2CodeConverter.asUri(item.scopeUri);
          return item.section === SECTION ? means.said(scope) : null;
        }),
      didChangeConfiguration: () =>
        client().sendNotification(DidChangeConfigurationNotification.type, { settings: { [SECTION]: means.said() } }),
      async handleApplyEdit(params, next) {
        means.work.handOver();
        const apply = async (prepared: ApplyWorkspaceEditParams) =>
          applied(await next(prepared, CancellationToken.None));
        const answer = await means.preview.apply(params, apply);
        if (answer.applied) {
          void showNewFile(params.edit, client());
        }
        return answer;
      },
    },
  };
}

/** The answer to a request to apply an edit; this client's own never is an error. */
function applied(answer: ApplyWorkspaceEditResult | ResponseError<void>): ApplyWorkspaceEditResult {
  return answer instanceof ResponseError ? { applied: false, failureReason: answer.message } : answer;
}

/** Open what an edit has made: VS Code makes a file without showing it. */
async function showNewFile(edit: WorkspaceEdit, client: LanguageClient): Promise<void> {
  const [made] = newFiles(edit);
  if (made !== undefined) {
    const uri = client.protocol2CodeConverter.asUri(made);
    await vscode.window.showTextDocument(uri).then(undefined, () => undefined); // left out in the preview
  }
}

/** A chosen code action with its edit. The stock client would report a refusal without its reason. */
async function resolve(
  client: LanguageClient,
  item: vscode.CodeAction,
  token: vscode.CancellationToken,
  means: Means,
): Promise<vscode.CodeAction> {
  const asked: CodeAction = client.code2ProtocolConverter.asCodeActionSync(item);
  try {
    const answer = await client.sendRequest(CodeActionResolveRequest.type, asked, token);
    if (answer.edit !== undefined) {
      const edit = means.preview.prepared(answer.edit, answer.title);
      item.edit = await client.protocol2CodeConverter.asWorkspaceEdit(edit);
      const [made] = newFiles(edit);
      if (made !== undefined) {
        const uri = client.protocol2CodeConverter.asUri(made);
        item.command = { title: "Show it", command: "vscode.open", arguments: [uri] };
      }
    }
    return item;
  } catch (error) {
    if (!isCancelled(error)) {
      tellUser(error);
    }
    throw new vscode.CancellationError();
  } finally {
    means.canvas.clear();
  }
}
