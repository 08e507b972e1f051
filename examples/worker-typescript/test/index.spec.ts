import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

interface Detection {
  score: number;
  label: string;
  box: { xmin: number; ymin: number; xmax: number; ymax: number };
}

describe("the Worker", () => {
  it("answers with what it detects", async () => {
    const answer = await exports.default.fetch("http://localhost/");
    const { response } = (await answer.json()) as { response: Detection[] };

    expect(response.length).toBeGreaterThan(0);
    expect(response[0]!.score).toBeGreaterThanOrEqual(response[1]!.score);
    expect(Object.keys(response[0]!.box)).toEqual(["xmin", "ymin", "xmax", "ymax"]);
  });
});
