/**
 * What the server and its engine are doing → what the status bar says.
 */

import type { EngineStatus } from "./protocol";

/** The server's process, as this client sees it. */
export type ServerState =
  | { readonly kind: "stopped" }
  | { readonly kind: "missing"; readonly reason: string }
  | { readonly kind: "installing" }
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly engine?: EngineStatus }
  | { readonly kind: "waiting"; readonly reason: string; readonly seconds: number }
  | { readonly kind: "failed"; readonly reason: string };

/** What holds at the cursor. */
export interface Here {
  /** What is being done for the user just now; undefined where nothing is. */
  readonly doing?: string | undefined;
  /** Why there are no suggestions here although the engine is ready. */
  readonly off?: string | undefined;
}

/** One line in the status bar. */
export interface View {
  readonly text: string;
  readonly tooltip: string;
  readonly severity?: "warning" | "error";
}

const STARTING: View = { text: "$(loading~spin) Unmask: starting", tooltip: "Unmask's server is starting." };

/** What the status bar says. */
export function view(state: ServerState, here: Here): View {
  switch (state.kind) {
    case "stopped":
      return { text: "$(circle-slash) Unmask: stopped", tooltip: "Unmask is stopped." };
    case "missing":
      return { text: "$(warning) Unmask: not found", tooltip: state.reason, severity: "warning" };
    case "installing":
      return { text: "$(loading~spin) Unmask: installing", tooltip: "Unmask's server is being installed." };
    case "starting":
      return STARTING;
    case "waiting": {
      const tooltip = `The server has stopped: ${state.reason}. It starts again in ${state.seconds} s.`;
      return { text: "$(sync) Unmask: restarting", tooltip, severity: "warning" };
    }
    case "failed":
      return { text: "$(error) Unmask: failed", tooltip: state.reason, severity: "error" };
    case "running":
      return ofEngine(state.engine, here);
  }
}

function ofEngine(engine: EngineStatus | undefined, here: Here): View {
  if (here.doing !== undefined) {
    return { text: `$(loading~spin) Unmask: ${here.doing}`, tooltip: "Esc in the editor stops it." };
  }
  switch (engine?.state) {
    case undefined:
      return STARTING;
    case "failed":
      return { text: "$(error) Unmask: no model", tooltip: engine.message, severity: "error" };
    case "off":
      return { text: "$(circle-slash) Unmask: off", tooltip: engine.message };
    case "loading": {
      const share = engine.percent === null ? "loading" : `${engine.percent} %`;
      return { text: `$(loading~spin) Unmask: ${share}`, tooltip: engine.message };
    }
    case "ready":
      if (engine.reloading) {
        return { text: "$(loading~spin) Unmask: loading", tooltip: engine.message };
      }
      return here.off === undefined
        ? { text: "$(sparkle) Unmask", tooltip: `Ready: ${engine.message}` }
        : { text: "$(circle-slash) Unmask: off", tooltip: here.off };
  }
}
