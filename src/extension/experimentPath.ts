/** The path of an experiment for what a person typed: `quick`, `quick.md` and `quick.lathe` all mean `quick.lathe.md`. */
export function toExperimentPath(typed: string): string {
  return typed.endsWith(".lathe.md") ? typed : `${typed.replace(/(\.lathe)?(\.md)?$/, "")}.lathe.md`;
}
