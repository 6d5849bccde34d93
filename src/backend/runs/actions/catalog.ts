// Written by `npm run generate`.
import compress from "./compress";
import evaluate from "./evaluate";
import exportModel from "./export";
import report from "./report";
import train from "./train";
import type { Step } from "../../../protocol/run";
import type { Action } from "../action";

export const actions: Readonly<Record<Step["action"], Action>> = {
  compress,
  evaluate,
  export: exportModel,
  report,
  train,
};
