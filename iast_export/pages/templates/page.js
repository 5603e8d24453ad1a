
// Shows the pair of the sheet that was chosen.
const viewer = document.querySelector(".viewer");
const choices = [...document.querySelectorAll("[data-pair]")];
for (const choice of choices) {
  choice.addEventListener("click", () => {
    const painting = choice.querySelector("img");
    const photograph = choice.closest("tr").querySelector("th img");
    for (const [place, shown] of [[".left", photograph], [".right", painting]]) {
      const picture = viewer.querySelector("img" + place);
      picture.src = shown.src;
      picture.alt = shown.alt;
    }
    viewer.querySelector("figcaption").textContent = painting.alt;
    choices.forEach((other) => other.setAttribute("aria-pressed", String(other === choice)));
  });
}
