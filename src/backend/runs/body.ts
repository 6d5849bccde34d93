/** What a run does, step by step. */
import { WorkbenchError } from "../../protocol/errors";
import type { RunProgram } from "./runContext";

export const program: RunProgram = {
  body: ({ plan }) =>
    Promise.reject(
      new WorkbenchError("unsupported", `Nothing here can carry out the steps of ${plan.name} yet.`),
    ),
};
