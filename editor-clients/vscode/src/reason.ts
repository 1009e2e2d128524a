/**
 * What a process writes to its standard error → levels of a log, and one line for people on why it ended.
 */

const LOG = /^\d{4}-\d\d-\d\d [\d:,]+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) /;
const LEVELS: Readonly<Record<string, Level>> = { DEBUG: "debug", INFO: "info", WARNING: "warn" };

export type Level = "debug" | "info" | "warn" | "error";

/** The level that a line of the server's log has; what is no line of it is an error. */
export function levelOf(line: string): Level {
  return LEVELS[LOG.exec(line)?.[1] ?? ""] ?? "error";
}

/** The last lines a process wrote to its standard error. */
export class LastWords {
  private text = "";

  /** Take what was written. */
  heard(chunk: string): void {
    this.text = (this.text + chunk).slice(-8_000);
  }

  /** The last line that says why, not counting the log; undefined where there is none. */
  get line(): string | undefined {
    const lines = this.text.split(/\r?\n/).map((line) => line.trim());
    return lines.filter((line) => line && !LOG.test(line)).at(-1);
  }
}

/**
 * Why a process has ended.
 *
 * @param code its exit code; null where a signal ended it, undefined where it never started.
 * @param signal the signal's name.
 * @param words what it said last, if anything.
 */
export function reason(
  code: number | null | undefined,
  signal: string | null | undefined,
  words: string | undefined,
): string {
  const how = signal ? `it was ended by ${signal}` : `it ended with exit code ${code ?? "unknown"}`;
  return words && !signal ? `${how}: ${words}` : how;
}
