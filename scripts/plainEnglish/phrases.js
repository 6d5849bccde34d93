/**
 * Words and phrases that Lathe's text avoids. ESLint checks strings, comments and Markdown for them, and
 * `npm run generate` writes them into docs/style.md. `wrong` and `right` are the tests of a pattern.
 */

/** @type {readonly { avoid: string, use: string, pattern: RegExp, wrong: readonly string[], right: readonly string[] }[]} */
export const phrases = [
  {
    avoid: "tell, told, tells apart",
    use: "report, specify, distinguish",
    pattern: /\b(?:tells?|told|telling)\b/i,
    wrong: ["The model tells 3 classes apart", "is told beforehand"],
    right: ["a tellurium atom"],
  },
  {
    avoid: "says, said, say (of code)",
    use: "reports, specifies, shows",
    pattern: /\b(?:says?|said)\b/i,
    wrong: ["The file says which", "as was said above"],
    right: ["essays"],
  },
  {
    avoid: "stands, stands for, stood",
    use: "is, represents, is shown",
    pattern: /\b(?:stands?(?!-)|stood|standing)\b/i,
    wrong: ["what stands there", "No cell stands for it", "It stood above", "may stand for nothing"],
    right: ["a stand-in for training", "a standard", "understands", "a standalone file"],
  },
  {
    avoid: "is no X",
    use: "is not an X",
    pattern:
      /(?<!\b(?:there|there's|what|where) )\b(?:is|are|was|were) no (?!(?:longer|more|less|fewer|[a-z]+er than)\b)/i,
    wrong: ["a loss that is no number", "These are no runs"],
    right: ["There is no file", "it is no longer there", "a loss that is no greater than 1", "are no more"],
  },
  {
    avoid: "anew, afresh",
    use: "again",
    pattern: /\b(?:anew|afresh)\b/i,
    wrong: ["drawn anew", "starts afresh"],
    right: ["a new run"],
  },
  {
    avoid: "mend",
    use: "fix",
    pattern: /\bmend(?:s|ed|ing)?\b/i,
    wrong: ["a mended recipe"],
    right: ["recommended", "an amendment"],
  },
  {
    avoid: "bring (an option, a file)",
    use: "provide, include, move",
    pattern: /\b(?:brings?|bringing|brought)\b/i,
    wrong: ["the package brings binaries", "what was brought along"],
    right: ["a bringer"],
  },
  {
    avoid: "goes, goes on",
    use: "is written to, continues",
    pattern: /\b(?:goes|go on|went on|going on|gone on)\b/i,
    wrong: ["the run goes on", "where the value goes", "What is going on"],
    right: ["going once", "to go one step", "to go back"],
  },
  {
    avoid: "whoever",
    use: "the thing that acts",
    pattern: /\bwho(?:so)?ever\b/i,
    wrong: ["whoever reads it"],
    right: ["however"],
  },
  {
    avoid: "lies, lying (of a file)",
    use: "is",
    pattern: /\b(?:lies|lying|lay in|lay beside)\b/i,
    wrong: ["where the file lies", "what is lying there"],
    right: ["underlies", "underlying", "lay out"],
  },
  {
    avoid: "save that, but for",
    use: "except",
    pattern: /(?:(?<=[,;] )save that|\ball but for)\b/i,
    wrong: ["the same, save that it is smaller", "all but for the last"],
    right: ["save that file", "not for the run but for the queue"],
  },
  {
    avoid: "without a word",
    use: "silently, without a reason",
    pattern: /\bwithout (?:a|another|saying a) word\b/i,
    wrong: ["It failed without a word."],
    right: ["without a keyword"],
  },
  {
    avoid: "business (of code)",
    use: "the task of, handled by",
    pattern: /\bbusiness\b/i,
    wrong: ["printing is the frame's business"],
    right: ["busy"],
  },
  {
    avoid: "beside one another, of ours",
    use: "side by side, Lathe's",
    pattern: /\b(?:beside (?:one another|each other)|of ours)\b/i,
    wrong: ["models beside one another", "no file of ours"],
    right: ["beside the file", "of hours"],
  },
  {
    avoid: "thereof, therein, whereby, hitherto",
    use: "of it, in it, by which, until now",
    pattern: /\b(?:thereof|therein|thereby|therewith|whereof|wherein|whereby|hitherto|henceforth)\b/i,
    wrong: ["the parts thereof"],
    right: ["therefore"],
  },
  {
    avoid: "colour, behaviour, quantise, licence",
    use: "American spelling",
    pattern:
      /\b(?:(?:dis)?colour\w*|behaviour\w*|licences?|grey\w*|centred?|centring|neighbour\w*|(?:un|re|de)?(?:quanti|normali|tokeni|optimi|initiali|seriali|factori|recogni|materiali|summari|organi|generali|minimi|maximi|speciali|parametri|randomi|regulari|utili|locali)s(?:e|es|ed|er|ers|ing|ation|ations)|artefacts?)\b/i,
    wrong: ["quantised codes", "the colour", "colours", "unrecognised", "a licence", "centred"],
    right: ["quantized", "color", "advise", "centered", "optimism", "a raise", "colorful"],
  },
];

/** The table of docs/style.md. */
export function phrasesMarkdown() {
  const rows = phrases.map(({ avoid, use }) => `| ${avoid} | ${use} |`);
  return ["| avoid | use |", "| --- | --- |", ...rows].join("\n");
}
