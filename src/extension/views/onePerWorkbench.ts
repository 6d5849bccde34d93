/** For what a view and its commands share: made when the first of them asks for it. */
import type { Workbench } from "../workbench";

export function onePerWorkbench<T extends object>(
  make: (workbench: Workbench) => T,
): (workbench: Workbench) => T {
  const made = new WeakMap<Workbench, T>();
  return (workbench) => {
    const known = made.get(workbench) ?? make(workbench);
    made.set(workbench, known);
    return known;
  };
}
