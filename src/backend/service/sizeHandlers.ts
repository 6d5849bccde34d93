import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { ModelRequests } from "../../protocol/service/models";
import type { Service } from "./service";

const missing = (): never => {
  throw new WorkbenchError("unsupported", "Not built yet.");
};

export function sizeHandlers(_service: Service): Handlers<Pick<ModelRequests, "sizes.of">> {
  return {
    "sizes.of": missing,
  };
}
