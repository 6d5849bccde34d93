import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { RunRequests } from "../../protocol/service/runs";
import type { Service } from "./service";

const missing = (): never => {
  throw new WorkbenchError("unsupported", "Not built yet.");
};

export function runHandlers(
  _service: Service,
): Handlers<
  Pick<
    RunRequests,
    | "runs.list"
    | "runs.start"
    | "runs.resume"
    | "runs.stop"
    | "runs.pause"
    | "runs.continue"
    | "runs.checkpoint"
    | "runs.requeue"
    | "runs.annotate"
    | "runs.trash"
    | "runs.restore"
    | "runs.differences"
    | "runs.log"
  >
> {
  return {
    "runs.list": missing,
    "runs.start": missing,
    "runs.resume": missing,
    "runs.stop": missing,
    "runs.pause": missing,
    "runs.continue": missing,
    "runs.checkpoint": missing,
    "runs.requeue": missing,
    "runs.annotate": missing,
    "runs.trash": missing,
    "runs.restore": missing,
    "runs.differences": missing,
    "runs.log": missing,
  };
}
