/** Every command by its file's name. Written by `npm run generate`. */
import type { AnyCommand } from "../command";
import attach from "./attach";
import bench from "./bench";
import compare from "./compare";
import continueEntry from "./continue";
import devices from "./devices";
import evalEntry from "./eval";
import exportEntry from "./export";
import generate from "./generate";
import inspect from "./inspect";
import merge from "./merge";
import params from "./params";
import pause from "./pause";
import plan from "./plan";
import queue from "./queue";
import report from "./report";
import resume from "./resume";
import run from "./run";
import runs from "./runs";
import schema from "./schema";
import serve from "./serve";
import show from "./show";
import stop from "./stop";

export const commands: Readonly<Record<string, AnyCommand>> = {
  attach,
  bench,
  compare,
  continue: continueEntry,
  devices,
  eval: evalEntry,
  export: exportEntry,
  generate,
  inspect,
  merge,
  params,
  pause,
  plan,
  queue,
  report,
  resume,
  run,
  runs,
  schema,
  serve,
  show,
  stop,
};
