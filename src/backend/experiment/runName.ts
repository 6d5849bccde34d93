/** Short names for runs, valid as folder names on every platform: `first-grouped-lr0.001-seed2`. */

const maxLength = 80;

export function createRunName(
  experiment: string,
  variant: string | undefined,
  sweep: readonly { readonly path: string; readonly value: unknown }[],
): string {
  const points = sweep.map(formatPoint);
  const parts = [experiment, ...(variant === undefined ? [] : [variant]), ...points];
  // Windows refuses names that end with a dot.
  return (
    parts
      .map(toPlainText)
      .filter(Boolean)
      .join("-")
      .slice(0, maxLength)
      .replace(/[.-]+$/, "") || "run"
  );
}

/** `lr0.001` */
function formatPoint({ path, value }: { readonly path: string; readonly value: unknown }): string {
  return `${shortenPath(path)}${describeValue(value)}`;
}

/** The name of a run with other settings: a swept value is replaced in it, others are added at its end. */
export function renameWithSettings(
  name: string,
  sweep: Readonly<Record<string, unknown>>,
  settings: Readonly<Record<string, unknown>>,
): string {
  return Object.entries(settings).reduce((start, [path, value]) => {
    const next = toPlainText(formatPoint({ path, value }));
    const before = path in sweep ? toPlainText(formatPoint({ path, value: sweep[path] })) : undefined;
    const place = before === undefined ? -1 : start.lastIndexOf(`-${before}`);
    return place === -1 || before === undefined
      ? createRunName(start, next, [])
      : createRunName(
          `${start.slice(0, place)}-${next}${start.slice(place + 1 + before.length)}`,
          undefined,
          [],
        );
  }, name);
}

/** `train.learning_rate` → `lr`, `seed` → `seed`. */
function shortenPath(path: string): string {
  const key = path.split(".").at(-1) ?? path;
  const words = key.split("_").filter(Boolean);
  return words.length > 1 ? words.map((word) => word.charAt(0)).join("") : key;
}

function describeValue(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const start = typeof value === "string" ? "_" : "";
  return start + toPlainText(text).slice(0, 16);
}

function toPlainText(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .replace(/[^\w.+-]+/g, "_")
    .replace(/^[_.]+|_+$/g, "");
}
