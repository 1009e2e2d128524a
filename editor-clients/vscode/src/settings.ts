/**
 * What the user has said in VS Code's settings → the server's options.
 *
 * Only what was said is sent: a default would win over the user's `unmask.toml`.
 */

/** What `WorkspaceConfiguration.inspect` tells of one setting. */
export interface Said {
  readonly globalValue?: unknown;
  readonly workspaceValue?: unknown;
  readonly workspaceFolderValue?: unknown;
}

/** Settings of this client, which the server does not know. */
export const CLIENT_ONLY: ReadonlySet<string> = new Set(["path", "preview"]);

/**
 * The options to send to the server.
 *
 * @param names the settings that there are, without the section.
 * @param inspect what was said of one.
 */
export function options(
  names: Iterable<string>,
  inspect: (name: string) => Said | undefined,
): Record<string, unknown> {
  const sent: Record<string, unknown> = { canvas: true }; // this client draws it
  for (const name of names) {
    const value = CLIENT_ONLY.has(name) ? undefined : winning(inspect(name));
    if (value !== undefined && value !== null) {
      sent[name] = value;
    }
  }
  return sent;
}

/** The innermost layer wins; tables are merged key by key. */
function winning(said: Said | undefined): unknown {
  const layers = [said?.globalValue, said?.workspaceValue, said?.workspaceFolderValue];
  const spoken = layers.filter((value) => value !== undefined && value !== null);
  return spoken.length > 0 && spoken.every(isTable) ? Object.assign({}, ...spoken) : spoken.at(-1);
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
