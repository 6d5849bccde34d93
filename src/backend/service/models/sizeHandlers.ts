/** Sizes of models. The code that counts them is loaded on the first request, since a window may never send one. */
import type { Handlers } from "../../../protocol/connection";
import type { ModelRequests, ModelSize } from "../../../protocol/service/models";
import type { Service } from "../service";
import type { Sizes } from "./sizes";

export function createSizeHandlers(service: Service): Handlers<Pick<ModelRequests, "sizes.of">> {
  let ready: Promise<Sizes> | undefined;
  const loadSizes = () => (ready ??= import("./sizes").then(({ Sizes }) => new Sizes(service)));
  return {
    "sizes.of": async ({ subjects }, { signal }) => {
      const counter = await loadSizes();
      const sizes: ModelSize[] = [];
      for (const subject of subjects) {
        signal.throwIfAborted();
        sizes.push(await counter.of(subject, signal));
      }
      return { sizes };
    },
  };
}
