import { readFile } from "node:fs/promises";
import path from "node:path";

const DEFAULTS = {
  retries: 3,
  timeoutMs: 1_000,
  headers: { Accept: "application/json" },
};

export class HttpError extends Error {
  constructor(status, message) {
    super(`${status}: ${message}`);
    this.status = status;
  }
}

/** Wait for some milliseconds. */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function getJson(url, options = {}) {
  const { retries, timeoutMs, headers } = { ...DEFAULTS, ...options };
  for (let attempt = 0; attempt <= retries; attempt++) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), timeoutMs);
    try {
      const response = await fetch(url, { headers, signal: controller.signal });
      if (!response.ok) {
        throw new HttpError(response.status, await response.text());
      }
      return await response.json();
    } catch (error) {
      if (attempt === retries || (error instanceof HttpError && error.status < 500)) {
        throw error;
      }
      await sleep(2 ** attempt * 100);
    } finally {
      clearTimeout(timer);
    }
  }
  return null;
}

function groupBy(items, key) {
  return items.reduce((groups, item) => {
    const name = typeof key === "function" ? key(item) : item[key];
    (groups[name] ??= []).push(item);
    return groups;
  }, {});
}

export async function summarize(file) {
  const text = await readFile(path.resolve(file), "utf-8");
  const rows = text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [name, amount] = line.split(",");
      return { name: name.trim(), amount: Number(amount) };
    });
  const totals = new Map();
  for (const [name, group] of Object.entries(groupBy(rows, "name"))) {
    totals.set(name, group.reduce((sum, row) => sum + row.amount, 0));
  }
  return [...totals].sort(([, a], [, b]) => b - a);
}

export function Badge({ label, count }) {
  switch (count) {
    case 0:
      return null;
    case 1:
      return <span className="badge">{label}</span>;
    default:
      return (
        <span className="badge" title={`${count} times`}>
          {label} <b>{count}</b>
        </span>
      );
  }
}
