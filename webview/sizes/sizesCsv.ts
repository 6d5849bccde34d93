/** Everything that the panel Parameters counts, as lines of a table: every role of every model, then the totals. */
import type { Counts } from "../../src/protocol/counts";
import type { ModelSize } from "../../src/protocol/service/models";
import type { CsvValue } from "../../src/protocol/csv";

export function createSizeRows(models: readonly ModelSize[]): CsvValue[][] {
  const line = (model: string, role: string, representation: string, counts: Counts): CsvValue[] => {
    const { trainable, stored, nonZero, bits, bytes } = counts;
    return [model, role, representation, trainable, stored, nonZero, bits, bytes];
  };
  return [
    ["model", "role", "representation", "trainable", "stored", "non-zero", "stored bits", "bytes"],
    ...models.flatMap(({ title, counts }) => [
      ...counts.roles.map((each) => line(title, each.role, each.representation, each)),
      line(title, "non-embedding", "", counts.nonEmbedding),
      line(title, "whole model", "", counts.total),
    ]),
  ];
}
