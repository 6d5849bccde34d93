/** Measures the structure of a source tree: its rooms, the imports between them, and the floor of each. */
import { importsOf, resolveImport, type Sources } from "./imports";

export interface Structure {
  /** Room → the rooms it imports, sorted. */
  readonly imports: ReadonlyMap<string, readonly string[]>;
  /** Room → floor. A room is one floor above the highest that it imports; the ground floor is 1. */
  readonly floors: ReadonlyMap<string, number>;
  /** Rooms that import each other in a circle; they share a floor. */
  readonly circles: readonly (readonly string[])[];
}

/** A folder of src or of src/backend with everything below it, a file directly in one of those, or webview. */
export function roomOf(file: string): string {
  const parts = file.split("/");
  if (parts[0] !== "src") return parts[0]!;
  return parts.slice(0, parts[1] === "backend" ? 3 : 2).join("/");
}

/** The folder that directly contains the file. */
export function folderOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/"));
}

export function measureStructure(sources: Sources, room: (file: string) => string = roomOf): Structure {
  const imports = new Map<string, Set<string>>();
  for (const [file, text] of sources) {
    const own = room(file);
    if (!imports.has(own)) imports.set(own, new Set());
    for (const { specifier } of importsOf(text, file)) {
      const target = resolveImport(sources, file, specifier);
      if (target !== undefined && room(target) !== own) imports.get(own)!.add(room(target));
    }
  }
  const sorted = new Map([...imports].sort().map(([name, targets]) => [name, [...targets].sort()]));
  const groups = circleGroups(sorted);
  return {
    imports: sorted,
    floors: floorsOf(sorted, groups),
    circles: [...new Set(groups.values())].filter((group) => group.length > 1),
  };
}

/** Everything that a room reaches by imports, through any number of rooms. */
export function reachable(imports: Structure["imports"], start: string): Set<string> {
  const reached = new Set<string>();
  const todo = [...(imports.get(start) ?? [])];
  for (let room = todo.pop(); room !== undefined; room = todo.pop()) {
    if (reached.has(room)) continue;
    reached.add(room);
    todo.push(...(imports.get(room) ?? []));
  }
  return reached;
}

/** Room → all rooms that reach it and that it reaches, itself included. */
function circleGroups(imports: Structure["imports"]): Map<string, readonly string[]> {
  const reach = new Map([...imports.keys()].map((room) => [room, reachable(imports, room)]));
  const groups = new Map<string, readonly string[]>();
  for (const room of imports.keys()) {
    if (groups.has(room)) continue;
    const group = [...imports.keys()].filter(
      (other) => other === room || (reach.get(room)!.has(other) && reach.get(other)!.has(room)),
    );
    for (const member of group) groups.set(member, group);
  }
  return groups;
}

function floorsOf(
  imports: Structure["imports"],
  groups: ReadonlyMap<string, readonly string[]>,
): Map<string, number> {
  const floors = new Map<string, number>();
  const floorOf = (room: string): number => {
    const known = floors.get(room);
    if (known !== undefined) return known;
    const group = groups.get(room)!;
    const below = group.flatMap((member) => imports.get(member)!).filter((target) => !group.includes(target));
    const floor = 1 + Math.max(0, ...below.map(floorOf));
    for (const member of group) floors.set(member, floor);
    return floor;
  };
  for (const room of imports.keys()) floorOf(room);
  return floors;
}

/** The imports that no longer path of imports implies: the arrows of the drawing. */
export function directImports(imports: Structure["imports"]): [from: string, to: string][] {
  return [...imports].flatMap(([from, targets]) =>
    targets
      .filter((to) => !targets.some((between) => between !== to && reachable(imports, between).has(to)))
      .map((to): [string, string] => [from, to]),
  );
}
