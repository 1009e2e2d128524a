/**
 * Frames of a canvas that forms → what is drawn at each hole.
 *
 * Knows nothing of editors: a hole is drawn as one line of text, whatever shows it.
 */

import type { CanvasFrame } from "./protocol";

const MASK = "▒";
const NEWLINE = "⏎";
const MOST_CHARS = 160;

/** The newest frame of every hole of one fill. */
export class Frames {
  private readonly newest = new Map<number, CanvasFrame>();

  add(frame: CanvasFrame): void {
    this.newest.set(frame.hole, frame);
  }

  /** The holes, each in its newest state. */
  get holes(): CanvasFrame[] {
    return [...this.newest.values()];
  }
}

/**
 * One line that shows a canvas: masks as shaded blocks, line ends as an arrow.
 *
 * @param pieces the slots; null is a mask.
 * @param insideLine the hole has text to its right on its line, so it holds no line end, and what its last slots
 *   propose behind one is no part of it.
 */
export function drawn(pieces: readonly (string | null)[], insideLine: boolean): string {
  let text = "";
  for (const piece of pieces) {
    const end = piece?.indexOf("\n") ?? -1;
    if (insideLine && end >= 0) {
      text += piece?.slice(0, end) ?? "";
      break;
    }
    text += piece ?? MASK;
  }
  const line = text.replace(/\r?\n[ \t]*/g, ` ${NEWLINE} `).replace(/\t/g, "  ");
  return line.length > MOST_CHARS ? `${line.slice(0, MOST_CHARS - 1)}…` : line;
}
