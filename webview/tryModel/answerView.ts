/** An answer of one model: its text, token by token once it is scored, with marks where another model differs. */
import { html, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { formatNumber, formatPercent, pluralize } from "../../src/protocol/quantities";
import {
  changeFactors,
  computePerplexity,
  findChange,
  type LogProbabilities,
  type TokenChange,
} from "../../src/statistics/tokenChanges";
import { icons } from "../kit/icons";
import type { Answer, Turn } from "./conversation";
import type { TriedModel } from "./triedModel";

/** A score with the model that gave it. */
interface Scores {
  readonly model: TriedModel;
  readonly logProbabilities: LogProbabilities;
}

export interface AnswerViewOptions {
  readonly turn: Turn;
  readonly model: TriedModel;
  readonly answer: Answer;
  readonly getTitle: (model: TriedModel) => string;
  /** Shows the probabilities of a token; undefined for none. */
  readonly point: (text: string | undefined) => void;
}

export function renderAnswer(options: AnswerViewOptions): TemplateResult {
  const { answer, model, getTitle } = options;
  return html`<section class="answer" aria-label="Answer of ${getTitle(model)}">
    <p class="meta">${formatMeta(options)}</p>
    ${answer.isPlain ? html`<p class="note">No chat template: continues the prompt as text.</p>` : nothing}
    ${renderText(options)}
    ${
      answer.problem === undefined
        ? nothing
        : html`<p class="problem" role="alert">${icons.warning}<span>${answer.problem}</span></p>`
    }
    ${renderScoreNotes(options)}
  </section>`;
}

function formatMeta({ turn, answer, model }: AnswerViewOptions): string {
  const { state, ids, result } = answer;
  if (state === "waiting") return model.state === "loading" ? "loading the model…" : "waiting…";
  if (state === "skipped") return "not generated";
  if (state === "failed" && ids.length === 0) return "failed";
  const rate = result === undefined ? getLiveRate(answer) : getRate(result.tokens, result.seconds);
  return [
    pluralize(ids.length, "token"),
    ...(rate === undefined ? [] : [`${formatNumber(rate, 3)} tokens/s${turn.isShared ? " (shared)" : ""}`]),
    ...(state === "generating" ? ["…"] : []),
    ...(result === undefined ? [] : finishTexts[result.finish]),
  ].join(" · ");
}

const finishTexts = {
  length: [],
  end_of_text: ["ended"],
  stop: ["ended"],
  exit: ["ended"],
  stopped: ["stopped"],
} as const;

function getRate(tokens: number, seconds: number | null): number | undefined {
  return seconds === null || seconds === 0 ? undefined : (tokens - 1) / seconds;
}

function getLiveRate({ ids, firstAt, lastAt }: Answer): number | undefined {
  return firstAt === undefined || ids.length < 2 ? undefined : getRate(ids.length, (lastAt - firstAt) / 1000);
}

function listScores({ answer, model }: AnswerViewOptions): { own: Scores | undefined; others: Scores[] } {
  const all = [...answer.scores].flatMap(([scorer, result]): Scores[] =>
    "logProbabilities" in result ? [{ model: scorer, ...result }] : [],
  );
  return {
    own: all.find((each) => each.model === model),
    others: all.filter((each) => each.model !== model),
  };
}

function renderText(options: AnswerViewOptions): TemplateResult {
  const { answer, point, getTitle } = options;
  const { own, others } = listScores(options);
  if (answer.pieces === undefined || own === undefined)
    return html`<div class="text">
      <span class="verbatim">${answer.text}</span
      >${answer.state === "generating" ? html`<span class="caret" aria-hidden="true"></span>` : nothing}
    </div>`;
  const { pieces } = answer;
  const scores = [own, ...others];
  const describe = (i: number) => describeToken(pieces[i]!, i, scores, findTokenChange(scores, i), getTitle);
  const show = (event: Event) => {
    const token = (event.target as Element).closest<HTMLElement>("[data-token]");
    point(token === null ? undefined : describe(Number(token.dataset["token"])));
  };
  const titles = scores.map(({ model }) => getTitle(model)).join("\n");
  // A long answer is drawn again only if its scores or the names of the models have changed.
  const tokens = guard([pieces, scores.length, titles], () => {
    const changes = pieces.map((_, i) => findTokenChange(scores, i));
    const firstMark = changes.findIndex((change) => change?.level !== undefined);
    return pieces.map((piece, i) => renderToken(piece, i, changes[i], describe(i), i === firstMark));
  });
  return html`<div
    class="text"
    @pointerover=${show}
    @focusin=${show}
    @pointerleave=${() => point(undefined)}
    @keydown=${moveBetweenMarks}
  >
    <span class="verbatim">${tokens}</span>
  </div>`;
}

function findTokenChange([own, ...others]: readonly Scores[], i: number): TokenChange | undefined {
  return findChange(
    own?.logProbabilities[i],
    others.map(({ logProbabilities }) => logProbabilities[i]),
  );
}

function renderToken(
  piece: string,
  i: number,
  change: TokenChange | undefined,
  title: string,
  isFirstMark: boolean,
): TemplateResult {
  if (change?.level === undefined) return html`<span data-token=${i} title=${title}>${piece}</span>`;
  const direction = change.change < 0 ? "less" : "more";
  // One stop of the Tab key for each answer; the arrow keys move from mark to mark.
  return html`<mark
    class="token ${direction} level${change.level}"
    data-token=${i}
    title=${title}
    tabindex=${isFirstMark ? 0 : -1}
    >${showPiece(piece)}</mark
  >`;
}

/** A mark needs something that can be seen. */
function showPiece(piece: string): string {
  if (piece === "") return "◦";
  return piece.replace(/^\n+$/, (breaks) => `⏎${breaks}`);
}

function moveBetweenMarks(event: KeyboardEvent): void {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (step === 0) return;
  const marks = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>("mark")];
  const next = marks[marks.indexOf(event.target as HTMLElement) + step];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}

/** The token and its probability by each model that gives it one. */
function describeToken(
  piece: string,
  i: number,
  scores: readonly Scores[],
  change: TokenChange | undefined,
  getTitle: (model: TriedModel) => string,
): string {
  const probabilities = scores.map(({ model, logProbabilities }) => {
    const value = logProbabilities[i];
    return `${getTitle(model)} ${value === null || value === undefined ? "beyond its context" : formatProbability(value)}`;
  });
  const factor = change === undefined ? undefined : Math.exp(Math.abs(change.change));
  const remark =
    change?.level === undefined || factor === undefined
      ? ""
      : ` (${formatNumber(factor, 3)} times ${change.change < 0 ? "less" : "more"} likely)`;
  const name = piece === "" ? "part of a character" : JSON.stringify(piece);
  return `${name}: ${probabilities.join(", ")}${remark}`;
}

function formatProbability(logarithm: number): string {
  const probability = Math.exp(logarithm);
  return probability >= 0.001 ? formatPercent(probability) : `${formatNumber(100 * probability, 2)} %`;
}

/** How likely each model finds the whole answer, and who gives no probabilities, with the reason. */
function renderScoreNotes(options: AnswerViewOptions): TemplateResult | typeof nothing {
  const { answer, model, getTitle } = options;
  const { own, others } = listScores(options);
  const perplexities = [own, ...others].flatMap((scores) => {
    const value = scores === undefined ? null : computePerplexity(scores.logProbabilities);
    return value === null ? [] : [`${getTitle(scores!.model)} ${formatNumber(value, 3)}`];
  });
  const problems = [...answer.scores].flatMap(([scorer, result]) =>
    "problem" in result && (scorer !== model || own === undefined)
      ? [`Not scored by ${getTitle(scorer)}: ${result.problem.replace(/\.$/, "")}.`]
      : [],
  );
  const beyond = [own, ...others].flatMap((scores) => {
    const count = scores?.logProbabilities.filter((score) => score === null).length ?? 0;
    return count === 0
      ? []
      : [`${getTitle(scores!.model)} reads too few tokens at once to score the last ${count}.`];
  });
  return html`${perplexities.length === 0 ? nothing : html`<p class="note">Perplexity of this answer: ${perplexities.join(", ")}</p>`}
  ${[...problems, ...beyond].map((text) => html`<p class="note">${text}</p>`)}`;
}

/** What the marks mean. */
export function renderLegend(): TemplateResult {
  const sample = (direction: "less" | "more") =>
    changeFactors.map((factor, i) => html`<span class="token ${direction} level${i + 1}">${factor}×</span> `);
  return html`<p class="legend">
    <span>Another model finds the token less likely by a factor of at least ${sample("less")}</span>
    <span>or more likely by ${sample("more")}</span>
  </p>`;
}
