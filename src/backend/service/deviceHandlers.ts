import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { DeviceRequests } from "../../protocol/service/models";
import type { Service } from "./service";

const missing = (): never => {
  throw new WorkbenchError("unsupported", "Not built yet.");
};

export function deviceHandlers(_service: Service): Handlers<Pick<DeviceRequests, "devices.list">> {
  return {
    "devices.list": missing,
  };
}
