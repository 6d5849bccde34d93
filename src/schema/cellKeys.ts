/** The keys of an experiment's cells, apart from the schema so that the editor can read them without it. */
export const declarationKeys = [
  "name",
  "folder",
  "recipe",
  "data",
  "model",
  "base_model",
  "device",
  "parallel",
  "seed",
  "scale",
  "scales",
  "variants",
  "sweep",
  "search",
  "paper",
] as const;
export const actionKeys = ["train", "compress", "merge", "evaluate", "export", "report"] as const;
export type DeclarationKey = (typeof declarationKeys)[number];
export type ActionKey = (typeof actionKeys)[number];
export type CellKey = DeclarationKey | ActionKey;

/** Whether an action makes another model of the current one. */
export function changesModel(action: ActionKey): boolean {
  return action === "train" || action === "compress" || action === "merge";
}
