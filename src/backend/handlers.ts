/** Request → what answers it: everything that a window may ask, and nothing twice. */
import type { Requests, ServiceRequests } from "../protocol/backend";
import type { Handlers } from "../protocol/connection";
import { deviceHandlers } from "./service/deviceHandlers";
import { experimentHandlers } from "./service/experimentHandlers";
import { metricHandlers } from "./service/metricHandlers";
import { modelHandlers } from "./service/modelHandlers";
import { resultHandlers } from "./service/resultHandlers";
import { runHandlers } from "./service/runHandlers";
import type { Service } from "./service/service";
import { sizeHandlers } from "./service/sizeHandlers";
import { weightHandlers } from "./service/weightHandlers";

/** All but `workspace.open`, which makes the service ready for them. */
export function handlersOf(service: Service): Handlers<Omit<Requests, keyof ServiceRequests>> {
  return {
    ...runHandlers(service),
    ...resultHandlers(service),
    ...metricHandlers(service),
    ...experimentHandlers(service),
    ...modelHandlers(service),
    ...sizeHandlers(service),
    ...weightHandlers(service),
    ...deviceHandlers(service),
  };
}
