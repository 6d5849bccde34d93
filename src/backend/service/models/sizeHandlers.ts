/** Sizes of models. What counts them is loaded with the first question, since a window may never ask one. */
import type { Handlers } from "../../../protocol/connection";
import type { ModelRequests, ModelSize } from "../../../protocol/service/models";
import type { Service } from "../service";
import type { Sizes } from "./sizes";

export function sizeHandlers(service: Service): Handlers<Pick<ModelRequests, "sizes.of">> {
  let ready: Promise<Sizes> | undefined;
  const loaded = () => (ready ??= import("./sizes").then(({ Sizes }) => new Sizes(service)));
  return {
    "sizes.of": async ({ subjects }, { signal }) => {
      const sizes = await loaded();
      const found: ModelSize[] = [];
      for (const subject of subjects) {
        signal.throwIfAborted();
        found.push(await sizes.of(subject, signal));
      }
      return { sizes: found };
    },
  };
}
