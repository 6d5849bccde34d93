import { expect, it } from "vitest";
import { formatListing } from "../../../src/backend/graph/listing";
import { createTinyTrainStep } from "../../support/tinyModels";

/** One graph contains the whole training step, so a change of any part shows up in review. `vitest -u` rewrites it. */
it("the training step of a tiny gpt2, forward, backward and AdamW, matches the reviewed one", async () => {
  const step = createTinyTrainStep("gpt2", { weight_decay: 0.1 });
  await expect(formatListing(step)).toMatchFileSnapshot("golden/gpt2TrainStep.txt");
});
