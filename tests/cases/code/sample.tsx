import React, { useEffect, useMemo, useState } from "react";

interface Props {
  title: string;
  rows: ReadonlyArray<{ id: number; name: string; done?: boolean }>;
  onToggle?: (id: number) => void;
}

export function TodoList({ title, rows, onToggle }: Props): JSX.Element {
  const [filter, setFilter] = useState<string>("");
  const [hidden, setHidden] = useState(false);

  const shown = useMemo(
    () => rows.filter((row) => row.name.toLowerCase().includes(filter.toLowerCase())),
    [rows, filter],
  );

  useEffect(() => {
    document.title = `${title} (${shown.length})`;
    return () => {
      document.title = "";
    };
  }, [title, shown]);

  if (rows.length === 0) {
    return <p className="empty">Nothing to do.</p>;
  }

  return (
    <section>
      <h2>{title}</h2>
      <input value={filter} onChange={(event) => setFilter(event.target.value)} />
      <button type="button" onClick={() => setHidden(!hidden)}>
        {hidden ? "Show" : "Hide"}
      </button>
      {!hidden && (
        <ul>
          {shown.map((row) => (
            <li key={row.id} className={row.done ? "done" : undefined}>
              <label>
                <input type="checkbox" checked={row.done} onChange={() => onToggle?.(row.id)} />
                {row.name}
              </label>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
