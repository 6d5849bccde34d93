/** YAML values, merged and changed without modifying the originals. */

export type PlainMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is PlainMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * `change` over `base`: maps are merged key by key, null removes a key, anything else replaces. From `levels` below
 * the top, null remains null if the changed value is itself a change.
 */
export function mergeMaps(base: unknown, change: unknown, levels = Infinity): unknown {
  if (!isMap(change)) return change;
  const result = new Map(isMap(base) ? Object.entries(base) : []);
  for (const [key, value] of Object.entries(change))
    if (value === null && levels > 0) result.delete(key);
    else result.set(key, mergeMaps(result.get(key), value, levels - 1));
  return Object.fromEntries(result);
}

/** `base` with another value at a path. Missing maps on the way are created; null removes the key. */
export function setValueAt(base: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const result = new Map(isMap(base) ? Object.entries(base) : []);
  const inside = setValueAt(result.get(key), rest, value);
  if (inside === null) result.delete(key);
  else result.set(key, inside);
  return Object.fromEntries(result);
}
