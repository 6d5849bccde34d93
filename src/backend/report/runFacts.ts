/** When, where and by what the numbers of a report were made. */
import type { RunRecord } from "../../protocol/run";

/** `command` writes the same report again. */
export function listRunFacts(
  records: readonly RunRecord[],
  command: readonly string[],
): (readonly [string, string])[] {
  const distinct = (values: readonly (string | undefined)[]) =>
    [...new Set(values.filter((value) => value !== undefined))].join("; ");
  const days = records.map(({ endedAt, createdAt }) => (endedAt ?? createdAt).slice(0, 10)).sort();
  const facts = [
    ["Runs of", days.length === 0 ? "" : distinct([days[0], days.at(-1)]).replace("; ", " to ")],
    ["Device", distinct(records.map(({ device }) => device && `${device.name} (${device.description})`))],
    ["Command", command.map(quoteArgument).join(" ")],
    [
      "Versions",
      distinct(
        records.map(({ versions = {} }) =>
          Object.entries(versions)
            .map(([name, version]) => `${name} ${version}`)
            .join(", "),
        ),
      ),
    ],
    [
      "Code",
      distinct(
        records.map(({ git }) => git && `${git.commit.slice(0, 10)}${git.dirty ? " with changes" : ""}`),
      ),
    ],
    ["Page of", new Date().toISOString().slice(0, 10)],
  ] as const;
  return facts.filter(([, value]) => value !== "");
}

function quoteArgument(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
