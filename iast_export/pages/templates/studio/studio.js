
// What is chosen goes to the server of this page and nowhere else; what comes back is put into it.
const form = document.querySelector("#ask");
const results = document.querySelector("#results");
const status = document.querySelector("#status");
const button = form.querySelector("button");
const preview = form.querySelector(".preview");
const {photograph, artwork, strength, lane, tier, shown, mix} = form.elements;

function put(place, markup) {
  const holder = document.createElement("div");
  holder.innerHTML = markup;
  holder.querySelectorAll(".slider").forEach(follow);
  place.append(...holder.children);
}

function complain(message, remedy) {
  const told = document.createElement("div");
  told.className = "verdict";
  told.setAttribute("role", "alert");
  for (const text of [message, remedy]) {
    told.append(Object.assign(document.createElement("p"), {textContent: text}));
  }
  results.append(told);
}

// The answer's markup is put into `place`, or among the results where it is a refusal.
async function send(address, query, file, place) {
  if (file.size > Number(form.dataset.largestBytes)) {
    complain(file.name + " is larger than any picture that is read", "Scale the picture down first.");
    return;
  }
  try {
    const words = new URLSearchParams({name: file.name, ...query});
    const answer = await fetch(address + "?" + words, {method: "POST", body: file});
    put(answer.ok ? place : results, await answer.text());
  } catch (error) {
    complain("The studio does not answer.", "Start it again in the terminal, and open its new address.");
  }
}

photograph.addEventListener("change", () => {
  URL.revokeObjectURL(preview.src);
  preview.hidden = !photograph.files.length;
  if (photograph.files.length) preview.src = URL.createObjectURL(photograph.files[0]);
});
preview.addEventListener("error", () => { preview.hidden = true; });  // a format that no browser shows
strength?.addEventListener("input", () => { shown.value = strength.value; });

artwork?.addEventListener("change", async () => {
  if (!artwork.files.length) return;
  status.textContent = "Reading the artwork …";
  await send("artworks", {}, artwork.files[0], form.querySelector(".choices"));
  status.textContent = "";
  artwork.value = "";
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = [...form.querySelectorAll("[name=style]:checked")].map((one) => one.value);
  const styles = mix?.checked && chosen.length ? [chosen.map((one) => one + ":1").join("+")] : chosen;
  results.replaceChildren();
  if (!styles.length) complain("No style is chosen.", "Choose one or more.");
  button.disabled = true;
  for (const [place, style] of styles.entries()) {
    status.textContent = "Painting " + (place + 1) + " of " + styles.length + " …";
    const query = {style, strength: strength ? strength.value : "1", lane: lane.value, tier: tier.value};
    await send("paint", query, photograph.files[0], results);
  }
  button.disabled = false;
  status.textContent = styles.length ? "Done." : "";
});
