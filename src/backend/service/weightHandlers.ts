import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { ModelRequests } from "../../protocol/service/models";
import type { Service } from "./service";

const missing = (): never => {
  throw new WorkbenchError("unsupported", "Not built yet.");
};

export function weightHandlers(
  _service: Service,
): Handlers<Pick<ModelRequests, "weights.roles" | "weights.histogram" | "weights.heatMap">> {
  return {
    "weights.roles": missing,
    "weights.histogram": missing,
    "weights.heatMap": missing,
  };
}
