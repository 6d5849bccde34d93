import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { RunRequests } from "../../protocol/service/runs";
import type { Service } from "./service";

const missing = (): never => {
  throw new WorkbenchError("unsupported", "Not built yet.");
};

export function resultHandlers(_service: Service): Handlers<Pick<RunRequests, "runs.results">> {
  return {
    "runs.results": missing,
  };
}
