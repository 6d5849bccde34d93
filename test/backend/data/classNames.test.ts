/** Rows with class names in the Parquet file, read for models with the same classes in a different order. */
import { dirname, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { openData } from "../../../src/backend/data/dataSet";
import { matchToModel } from "../../../src/backend/data/labels";
import { getHead } from "../../../src/backend/models/classifier";
import { dataSchema } from "../../../src/schema/experiment";
import { createTemporaryFolder } from "../../support/temporary";

/** scripts/reference/classLabels.py */
const file = resolve("test/fixtures/data/nli.parquet");
const names = ["entailment", "neutral", "contradiction"];
/** The labels of the file's rows; the one with −1 has no gold label. */
const rows = [2, 0, 1, 1, 2, 0, 0];

const open = () =>
  openData(
    dataSchema.parse({
      text: "nli.parquet",
      text_column: "premise",
      text_pair_column: "hypothesis",
      label_column: "label",
      sequence_len: 32,
      val_fraction: 0,
    }),
    { baseFolder: dirname(file), cacheFolder: createTemporaryFolder() },
  );

const headWith = (id2label: Readonly<Record<string, string>>) =>
  getHead({ num_labels: Object.keys(id2label).length, id2label });

describe("the class names of a Parquet file", () => {
  it.each([
    ["the data's order", ["entailment", "neutral", "contradiction"]],
    ["the reverse order, in capitals", ["CONTRADICTION", "NEUTRAL", "ENTAILMENT"]],
    ["the order of the alphabet", ["contradiction", "entailment", "neutral"]],
  ])("map to the model's classes in %s", async (_, classes) => {
    using data = await open();
    expect(data.labels).toMatchObject({ names, values: ["0", "1", "2"] });
    const { train, notice } = matchToModel(data, headWith(Object.fromEntries(classes.entries())));
    expect(notice).toBeUndefined();
    const found = [...train.batches(1, Infinity)].map(({ labels }) => labels.filter((each) => each >= 0));
    const wanted = rows.map((row) => [classes.findIndex((name) => name.toLowerCase() === names[row])]);
    expect(found.map((each) => [...each])).toEqual(wanted);
  });

  it("are refused if the model has others", async () => {
    using data = await open();
    expect(() => matchToModel(data, headWith({ 0: "entailment", 1: "not_entailment" }))).toThrow(
      /Data: "entailment", "neutral", "contradiction".*not in the model: "neutral", "contradiction"/,
    );
  });
});
