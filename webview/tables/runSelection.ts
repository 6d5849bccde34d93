/** Which rows are selected, by key, and from where Shift extends. Plain data, so that the page can keep it. */

export interface Selection {
  readonly keys: ReadonlySet<string>;
  /** Where the last plain or toggling selection was made. */
  readonly anchor: string | undefined;
}

export const emptySelection: Selection = { keys: new Set(), anchor: undefined };

export function selectOnly(key: string): Selection {
  return { keys: new Set([key]), anchor: key };
}

export function toggleKey({ keys }: Selection, key: string): Selection {
  const toggled = new Set(keys);
  if (!toggled.delete(key)) toggled.add(key);
  return { keys: toggled, anchor: key };
}

/** All between the anchor and the key in the order shown; the anchor stays. */
export function extendTo(selection: Selection, key: string, order: readonly string[]): Selection {
  const [from, to] = [order.indexOf(selection.anchor ?? key), order.indexOf(key)];
  if (from < 0 || to < 0) return selectOnly(key);
  const keys = new Set(order.slice(Math.min(from, to), Math.max(from, to) + 1));
  return { keys, anchor: order[from] };
}

export function selectAll(order: readonly string[]): Selection {
  return { keys: new Set(order), anchor: order[0] };
}

/** Without what is there no more. */
export function retainExisting(selection: Selection, exists: (key: string) => boolean): Selection {
  if ([...selection.keys].every(exists)) return selection;
  return { keys: new Set([...selection.keys].filter(exists)), anchor: selection.anchor };
}
