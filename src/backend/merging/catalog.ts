/** Every method of merging by its file's name. Written by `npm run generate`. */
import type { AnyMergeMethod } from "./mergeMethod";
import dareLinear from "./dare_linear";
import dareTies from "./dare_ties";
import linear from "./linear";
import slerp from "./slerp";
import taskArithmetic from "./task_arithmetic";
import ties from "./ties";

export const mergeMethods: Readonly<Record<string, AnyMergeMethod>> = {
  dare_linear: dareLinear,
  dare_ties: dareTies,
  linear,
  slerp,
  task_arithmetic: taskArithmetic,
  ties,
};
