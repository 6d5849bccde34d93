/** Values as YAML knows them, merged and changed without touching the originals. */

export type PlainMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is PlainMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * `change` over `base`: maps key by key, null takes a key away, anything else replaces. From `levels` below the top on null
 * stays null, where what is changed is a change itself.
 */
export function merged(base: unknown, change: unknown, levels = Infinity): unknown {
  if (!isMap(change)) return change;
  const result = new Map(isMap(base) ? Object.entries(base) : []);
  for (const [key, value] of Object.entries(change))
    if (value === null && levels > 0) result.delete(key);
    else result.set(key, merged(result.get(key), value, levels - 1));
  return Object.fromEntries(result);
}

/** `base` with another value at a path. Maps on the way are made where they are missing; null takes the key away. */
export function withValueAt(base: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const result = new Map(isMap(base) ? Object.entries(base) : []);
  const inside = withValueAt(result.get(key), rest, value);
  if (inside === null) result.delete(key);
  else result.set(key, inside);
  return Object.fromEntries(result);
}
