import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { ExperimentRequests } from "../../protocol/service/experiments";
import type { Service } from "./service";

const missing = (): never => {
  throw new WorkbenchError("unsupported", "Not built yet.");
};

export function experimentHandlers(
  _service: Service,
): Handlers<
  Pick<
    ExperimentRequests,
    | "experiment.outline"
    | "experiment.check"
    | "experiment.complete"
    | "experiment.hover"
    | "experiment.lenses"
    | "experiment.attach"
  >
> {
  return {
    "experiment.outline": missing,
    "experiment.check": missing,
    "experiment.complete": missing,
    "experiment.hover": missing,
    "experiment.lenses": missing,
    "experiment.attach": missing,
  };
}
