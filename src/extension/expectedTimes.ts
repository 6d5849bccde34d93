import { t } from "./l10n";

/** On two processor cores, by the id of the example: measured where it is minutes, otherwise as `lathe plan` estimates. */
export const expectedTimes: Readonly<Record<string, string>> = {
  quick: t("half a minute"),
  search: t("1 minute"),
  preference: t("1 minute"),
  first: t("1 to 2 minutes"),
  "scaling-law": t("2 minutes"),
  retrieval: t("5 minutes"),
  "one-shot": t("10 minutes"),
  distil: t("up to an hour"),
  "compare-methods": t("three quarters of an hour"),
  shakespeare: t("half a day, minutes on a graphics card"),
};
