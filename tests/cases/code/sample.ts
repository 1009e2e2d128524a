import type { Readable } from "node:stream";
import { EventEmitter } from "node:events";

export type Result<T, E = Error> = { ok: true; value: T } | { ok: false; error: E };

export interface Task<T> {
  readonly id: string;
  run(signal: AbortSignal): Promise<T>;
  priority?: number;
}

export enum State {
  Idle = "idle",
  Running = "running",
  Stopped = "stopped",
}

export class Queue<T> extends EventEmitter {
  private readonly tasks: Task<T>[] = [];
  private state: State = State.Idle;

  constructor(private readonly limit: number = 4) {
    super();
  }

  get size(): number {
    return this.tasks.length;
  }

  add(task: Task<T>): this {
    const at = this.tasks.findIndex((other) => (other.priority ?? 0) < (task.priority ?? 0));
    if (at < 0) {
      this.tasks.push(task);
    } else {
      this.tasks.splice(at, 0, task);
    }
    return this;
  }

  async drain(signal: AbortSignal): Promise<Map<string, Result<T>>> {
    const results = new Map<string, Result<T>>();
    this.state = State.Running;
    const worker = async (): Promise<void> => {
      for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) {
        if (signal.aborted) {
          break;
        }
        try {
          results.set(task.id, { ok: true, value: await task.run(signal) });
        } catch (error) {
          results.set(task.id, { ok: false, error: error as Error });
          this.emit("failed", task.id, error);
        }
      }
    };
    await Promise.all(Array.from({ length: this.limit }, worker));
    this.state = State.Stopped;
    return results;
  }

  describe(): string {
    switch (this.state) {
      case State.Idle:
        return `idle, ${this.size} waiting`;
      case State.Running:
        return `running, ${this.size} left`;
      default:
        return "stopped";
    }
  }
}

export function isReadable(value: unknown): value is Readable {
  return typeof value === "object" && value !== null && "read" in value;
}

export const pick = <T extends object, K extends keyof T>(from: T, ...keys: K[]): Pick<T, K> =>
  Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;

namespace Units {
  export const KIB = 1024;
  export function human(bytes: number): string {
    const step = Math.floor(Math.log(bytes) / Math.log(KIB));
    return `${(bytes / KIB ** step).toFixed(1)} ${["B", "KiB", "MiB", "GiB"][step]}`;
  }
}
