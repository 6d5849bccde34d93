/** Which tokens of a text each head of a cache policy kept. */
import type { KeptTokensData, KeptTokensRow } from "../../protocol/figures";
import { formatCount, formatNumber } from "../../protocol/quantities";
import { type KeptTokens, parseKeptTokens } from "../evaluation/keptTokens";
import type { EvaluationFigure } from "./evaluationFigure";

/** What a screen can show, and a message carries. */
const maxColumns = 1024;
const maxRows = 32;
const maxTextLength = 40;

const figure: EvaluationFigure = {
  id: "kept",
  metric: "cache",
  title: "Tokens in the cache",
  create: (details) => {
    const parsed = parseKeptTokens(details);
    if (parsed === undefined) return undefined;
    const { policy, kept } = parsed;
    const heads = kept.layers.flat();
    const mean = heads.reduce((sum, { length }) => sum + length, 0) / heads.length;
    return {
      caption: `${policy}, ${formatNumber(mean)} of ${formatCount(kept.tokens.length)} tokens in a head`,
      data: condenseKeptTokens(kept),
      lines: () => [
        ["layer", "head", "positions"],
        ...kept.layers.flatMap((ofLayer, layer) =>
          ofLayer.map((positions, head) => [String(layer), String(head), positions.join(" ")]),
        ),
      ],
    };
  },
};

export default figure;

/**
 * Tokens share columns if the text is longer than `maxColumns`. The heads of a layer share a row if there are more than
 * `maxRows`, and so do neighboring layers if there are more than that.
 */
export function condenseKeptTokens({ tokens, layers }: KeptTokens): KeptTokensData {
  const tokensPerColumn = Math.ceil(tokens.length / maxColumns);
  const columns = Math.ceil(tokens.length / tokensPerColumn);
  const createRow = (layer: string, heads: readonly (readonly number[])[]): KeptTokensRow => {
    const counts = new Array<number>(columns).fill(0);
    for (const position of heads.flat()) counts[Math.floor(position / tokensPerColumn)]! += 1;
    return { layer, heads: heads.length, counts };
  };
  const layersPerRow = Math.ceil(layers.length / maxRows);
  const rows =
    layers.flat().length <= maxRows
      ? layers.flatMap((heads, layer) =>
          heads.map((positions, head) => ({ ...createRow(`layer ${layer}`, [positions]), head })),
        )
      : Array.from({ length: Math.ceil(layers.length / layersPerRow) }, (_, i) => {
          const [from, to] = [i * layersPerRow, Math.min(layers.length, (i + 1) * layersPerRow)];
          const name = to - from === 1 ? `layer ${from}` : `layers ${from}–${to - 1}`;
          return createRow(name, layers.slice(from, to).flat());
        });
  return {
    kind: "keptTokens",
    tokens: tokens.length,
    tokensPerColumn,
    texts: Array.from({ length: columns }, (_, column) =>
      shorten(tokens.slice(column * tokensPerColumn, (column + 1) * tokensPerColumn).join("")),
    ),
    rows,
  };
}

function shorten(text: string): string {
  return text.length > maxTextLength ? `${text.slice(0, maxTextLength - 1)}…` : text;
}
