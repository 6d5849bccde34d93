/** Measures the structure of a source tree: its rooms, the imports between them, and the floor of each. */
import { findImports, resolveImport, type Sources } from "./imports";

export interface Structure {
  /** Room → the rooms it imports, sorted. */
  readonly imports: ReadonlyMap<string, readonly string[]>;
  /** Room → floor. A room is one floor above the highest that it imports; the ground floor is 1. */
  readonly floors: ReadonlyMap<string, number>;
  /** Rooms that import each other in a circle; they share a floor. */
  readonly circles: readonly (readonly string[])[];
}

/** A folder of src or of src/backend with everything below it, a file directly in one of those, or webview. */
export function getRoom(file: string): string {
  const parts = file.split("/");
  if (parts[0] !== "src") return parts[0]!;
  return parts.slice(0, parts[1] === "backend" ? 3 : 2).join("/");
}

/** The folder that directly contains the file. */
export function getFolder(file: string): string {
  return file.slice(0, file.lastIndexOf("/"));
}

export function measureStructure(sources: Sources, getGroup: (file: string) => string = getRoom): Structure {
  const imports = new Map<string, Set<string>>();
  for (const [file, text] of sources) {
    const group = getGroup(file);
    if (!imports.has(group)) imports.set(group, new Set());
    for (const { specifier } of findImports(text, file)) {
      const target = resolveImport(sources, file, specifier);
      if (target !== undefined && getGroup(target) !== group) imports.get(group)!.add(getGroup(target));
    }
  }
  const sorted = new Map([...imports].sort().map(([name, targets]) => [name, [...targets].sort()]));
  const groups = findCycles(sorted);
  return {
    imports: sorted,
    floors: computeFloors(sorted, groups),
    circles: [...new Set(groups.values())].filter((group) => group.length > 1),
  };
}

/** Everything that a room reaches by imports, through any number of rooms. */
export function findReachable(imports: Structure["imports"], start: string): Set<string> {
  const visited = new Set<string>();
  const queue = [...(imports.get(start) ?? [])];
  for (let room = queue.pop(); room !== undefined; room = queue.pop()) {
    if (visited.has(room)) continue;
    visited.add(room);
    queue.push(...(imports.get(room) ?? []));
  }
  return visited;
}

/** Room → all rooms that reach it and that it reaches, itself included. */
function findCycles(imports: Structure["imports"]): Map<string, readonly string[]> {
  const reachableByRoom = new Map([...imports.keys()].map((room) => [room, findReachable(imports, room)]));
  const groups = new Map<string, readonly string[]>();
  for (const room of imports.keys()) {
    if (groups.has(room)) continue;
    const group = [...imports.keys()].filter(
      (other) =>
        other === room || (reachableByRoom.get(room)!.has(other) && reachableByRoom.get(other)!.has(room)),
    );
    for (const member of group) groups.set(member, group);
  }
  return groups;
}

function computeFloors(
  imports: Structure["imports"],
  groups: ReadonlyMap<string, readonly string[]>,
): Map<string, number> {
  const floors = new Map<string, number>();
  const computeFloor = (room: string): number => {
    const cached = floors.get(room);
    if (cached !== undefined) return cached;
    const group = groups.get(room)!;
    const imported = group
      .flatMap((member) => imports.get(member)!)
      .filter((target) => !group.includes(target));
    const floor = 1 + Math.max(0, ...imported.map(computeFloor));
    for (const member of group) floors.set(member, floor);
    return floor;
  };
  for (const room of imports.keys()) computeFloor(room);
  return floors;
}

/** The imports that no longer path of imports implies: the arrows of the drawing. */
export function findDirectImports(imports: Structure["imports"]): [from: string, to: string][] {
  return [...imports].flatMap(([from, targets]) =>
    targets
      .filter(
        (to) =>
          !targets.some(
            (intermediate) => intermediate !== to && findReachable(imports, intermediate).has(to),
          ),
      )
      .map((to): [string, string] => [from, to]),
  );
}
