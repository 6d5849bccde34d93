/** For what a view and its commands share: made when the first of them asks for it. */
import type { Workbench } from "../workbench";

export function memoizeByWorkbench<T extends object>(
  create: (workbench: Workbench) => T,
): (workbench: Workbench) => T {
  const instances = new WeakMap<Workbench, T>();
  return (workbench) => {
    const instance = instances.get(workbench) ?? create(workbench);
    instances.set(workbench, instance);
    return instance;
  };
}
