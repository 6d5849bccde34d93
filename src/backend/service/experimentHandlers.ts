/** What an editor asks about the text of an experiment. Text is read and nothing else is done: nothing runs, nothing is fetched. */
import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { ExperimentRequests } from "../../protocol/service/experiments";
import type { ExperimentLanguage } from "../language/experimentLanguage";
import type { Service } from "./service";

const missing = (): never => {
  throw new WorkbenchError("unsupported", "Not built yet.");
};

export function experimentHandlers(
  service: Service,
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
  let ready: Promise<ExperimentLanguage> | undefined;
  /** Loaded with the first question, since a window may never ask one. */
  const language = () =>
    (ready ??= Promise.all([import("../language/experimentLanguage"), service.catalog()]).then(
      ([{ ExperimentLanguage }, catalog]) => new ExperimentLanguage(catalog),
    ));
  return {
    "experiment.outline": async (given) => (await language()).outline(given),
    "experiment.check": async (given) => ({ diagnostics: (await language()).check(given) }),
    "experiment.complete": async (given) => ({ completions: (await language()).complete(given) }),
    "experiment.hover": async (given) => {
      const hover = (await language()).hover(given);
      return hover === undefined ? {} : { hover };
    },
    "experiment.lenses": missing,
    "experiment.attach": missing,
  };
}
