/**
 * Crashes of the server → how long to wait before it is started again, or that it is given up.
 */

const FIRST_MS = 500;
const MOST = 5;
const MOST_UNSTARTED = 2;
const CALM_MS = 3 * 60_000;

/** Counts crashes that come close upon each other. */
export class Backoff {
  private crashes: number[] = [];

  /**
   * Take note of a crash.
   *
   * @param nowMs when it happened.
   * @param started it had answered before; one that never does is given up sooner.
   * @returns milliseconds to wait; undefined where starting it again has not helped.
   */
  crashed(nowMs: number, started: boolean): number | undefined {
    this.crashes = this.crashes.filter((at) => nowMs - at < CALM_MS);
    this.crashes.push(nowMs);
    const most = started ? MOST : MOST_UNSTARTED;
    return this.crashes.length > most ? undefined : FIRST_MS * 2 ** (this.crashes.length - 1);
  }

  /** The user has asked for a new start: what was before does not count. */
  forget(): void {
    this.crashes = [];
  }
}
