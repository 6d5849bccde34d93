/** Every action of a run by its file's name. Written by `npm run generate`. */
import type { ActionKey } from "../../../schema/cellKeys";
import type { Action } from "../steps/action";
import compress from "./compress";
import evaluate from "./evaluate";
import exportEntry from "./export";
import merge from "./merge";
import report from "./report";
import train from "./train";

export const actions: Readonly<Record<ActionKey, Action>> = {
  compress,
  evaluate,
  export: exportEntry,
  merge,
  report,
  train,
};
