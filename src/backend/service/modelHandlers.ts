import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { ModelRequests } from "../../protocol/service/models";
import type { Service } from "./service";

const missing = (): never => {
  throw new WorkbenchError("unsupported", "Not built yet.");
};

export function modelHandlers(
  _service: Service,
): Handlers<Pick<ModelRequests, "models.list" | "models.export" | "models.formats">> {
  return {
    "models.list": missing,
    "models.export": missing,
    "models.formats": missing,
  };
}
