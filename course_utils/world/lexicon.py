"""The words of Saltmarsh, a small harbour town, and of the region around it.

Each table is one block of text, one entry a line, so that a reader can check and extend it. French stands
beside the English wherever a word may be translated.
"""

from __future__ import annotations

from typing import NamedTuple

TOWN = "Saltmarsh"

# --- people and places -------------------------------------------------------------------------------------

FIRST_NAMES = """
Ada Agnes Alan Albert Alice Amos Anna April Arthur Basil Beatrice Ben Bridget Carl Cecil Clara Colin Cora
Daisy Daniel David Dora Edgar Edith Edwin Ella Elsa Emil Enid Erik Esther Ethel Felix Flora Frank Fred George
Gilbert Gina Grace Greta Gus Hanna Harold Harriet Heather Hector Helen Henry Holly Hugh Ida Ines Iris Isaac
Ivan Ivy Jack Jane Jasper June Karl Kate Lena Leo Lily Linus Lionel Lois Louis Lucy Mabel Marcus Martha Martin
Maud Max May Milo Mona Nadia Ned Nell Nora Olga Olive Oscar Otto Owen Paul Penny Percy Peter Poppy Quentin
Ralph Rita Robin Rosa Rose Ruby Rufus Ruth Sam Silas Simon Sofia Stella Susan Sylvia Tessa Theo Thomas Tilda
Tobias Toby Una Vera Victor Viola Walter Wanda Wilfred Willa Yusuf Zara Zelda
""".split()

_STEMS = """
Ash Birch Black Brack Bram Brook Carl Clay Cold Crow Dun East Elm Fair Fen Gold Grey Hadd Hart Hazel Heath
High Holm Lang Lin Mar Mill Moor North Oak Old Pen Red Rock Salt Sand Shel Stan Thorn Wald West Whit Win Wood
Wool
""".split()
_SHARED_ENDINGS = "ford ley ton by well field".split()  # a surname or a village: only the sentence can tell

SURNAMES = [stem + ending for stem in _STEMS for ending in (*_SHARED_ENDINGS, "man", "ridge", "son", "worth")]
VILLAGES = [
    stem + ending
    for stem in _STEMS
    for ending in (*_SHARED_ENDINGS, "mouth", "haven", "bury", "wick", "combe", "stead")
]

# First names, plants and trades name streets as well as people: "Rose" may be a woman, a street or an inn.
_STREET_NAMES = """
Rose Lily Iris Ivy Daisy Holly Hazel Heather Olive Poppy Violet Baker Cooper Mason Fisher Potter Carter Miller
Weaver Harbour Chapel Station Market Castle Bridge Orchard Garden Mill Church Lighthouse Anchor Herring Gull
Pebble Tower Quarry Meadow Lantern George Victor Albert Martin Oscar Walter
""".split()
STREETS = [f"{name} {way}" for name in _STREET_NAMES for way in ("Street", "Lane", "Row", "Hill", "Square")]

# --- organisations and things with a name of their own -----------------------------------------------------

_SIGN_ADJECTIVES = (
    "Copper Silver Golden Blue Green Red White Black Old Little Merry Crooked Silent Lucky Iron Wooden"
).split()
_SIGN_NOUNS = (
    "Kettle Anchor Heron Lantern Gull Barrel Rose Compass Herring Oak Bell Crown Whale Swan Fox "
    "Rudder Lily Mill"
).split()

INNS = [f"the {adjective} {noun}" for adjective in _SIGN_ADJECTIVES for noun in _SIGN_NOUNS]
CLUBS = [
    f"{village} {kind}" for village in VILLAGES[::3] for kind in ("United", "Rovers", "Rowing Club", "Choir")
]
FIRMS = [
    f"{surname} {kind}"
    for surname in SURNAMES[::2]
    for kind in ("and Sons", "Ferries", "Bank", "Motors", "Tools", "Press")
]
ORGANISATIONS = INNS[::2] + CLUBS + FIRMS

_FESTIVALS = (
    "Herring Lantern Harvest Oyster Apple Kite Lily Regatta Accordion Lighthouse Barrel Winter "
    "Rose Pumpkin Driftwood"
).split()
EVENTS = [
    f"the {thing} {kind}" for thing in _FESTIVALS for kind in ("Festival", "Fair", "Cup", "Prize", "Weekend")
]
MAKES = (
    "Norland Perrin Tolva Kestrel Brio Almeda Zephyr Corvo Lumen Vesta Orla Delfin Marlow Sorrel Juno Rondo"
).split()

# --- time and money ----------------------------------------------------------------------------------------

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
HOURS = "six seven eight nine ten eleven noon one two three four five".split()
NUMBERS = (
    "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty "
    "sixty eighty"
).split()


class Noun(NamedTuple):
    """A thing that can be bought, lost, carried and translated."""

    english: str
    french: str
    gender: str
    plural: str

    @property
    def french_plural(self) -> str:
        return (
            self.french
            if self.french[-1] in "sxz"
            else self.french + ("x" if self.french.endswith("eau") else "s")
        )


def _nouns(table: str) -> list[Noun]:
    rows = (line.split("|") for line in table.strip().splitlines())
    return [Noun(row[0], row[1], row[2], row[3] if len(row) > 3 else row[0] + "s") for row in rows]


GOODS = _nouns("""
kettle|bouilloire|f
lamp|lampe|f
chair|chaise|f
table|table|f
coat|manteau|m
hat|chapeau|m
umbrella|parapluie|m
bicycle|bicyclette|f
clock|horloge|f
radio|radio|f
camera|caméra|f
suitcase|valise|f
basket|panier|m
blanket|couverture|f
pillow|oreiller|m
mirror|miroir|m
ladder|échelle|f
hammer|marteau|m
bucket|seau|m
brush|brosse|f|brushes
knife|couteau|m|knives
spoon|cuillère|f
plate|assiette|f
bottle|bouteille|f
glass|verre|m|glasses
cup|tasse|f
pot|casserole|f
oven|four|m
fan|ventilateur|m
drum|tambour|m
guitar|guitare|f
violin|violon|m
flute|flûte|f
book|livre|m
map|carte|f
letter|lettre|f
parcel|colis|m
ticket|billet|m
key|clé|f
ring|bague|f
scarf|écharpe|f|scarves
glove|gant|m
boot|botte|f
shirt|chemise|f
dress|robe|f|dresses
jacket|veste|f
belt|ceinture|f
purse|bourse|f
wallet|portefeuille|m
phone|téléphone|m
drill|perceuse|f
saw|scie|f
rope|corde|f
net|filet|m
oar|rame|f
sail|voile|f
tent|tente|f
stove|poêle|m
heater|radiateur|m
carpet|tapis|m
curtain|rideau|m
desk|bureau|m
shelf|étagère|f|shelves
vase|vase|m
painting|tableau|m
candle|bougie|f
box|boîte|f|boxes
bag|sac|m
pen|stylo|m
notebook|cahier|m
toy|jouet|m
doll|poupée|f
ball|ballon|m
whistle|sifflet|m
compass|boussole|f|compasses
telescope|télescope|m
toaster|grille-pain|m
razor|rasoir|m
towel|serviette|f
wheelbarrow|brouette|f
""")

PEOPLE = _nouns("""
baker|boulanger|m
fisherman|pêcheur|m|fishermen
teacher|professeur|m
doctor|médecin|m
nurse|infirmière|f
sailor|marin|m
farmer|fermier|m
painter|peintre|m
cook|cuisinier|m
driver|chauffeur|m
gardener|jardinier|m
captain|capitaine|m
shopkeeper|marchand|m
clockmaker|horloger|m
singer|chanteuse|f
dancer|danseuse|f
pupil|élève|m
neighbour|voisin|m
girl|fille|f
boy|garçon|m
woman|femme|f|women
man|homme|m|men
aunt|tante|f
uncle|oncle|m
sister|sœur|f
brother|frère|m
cousin|cousine|f
tourist|touriste|m
librarian|bibliothécaire|f
carpenter|menuisier|m
mayor|maire|m
postman|facteur|m|postmen
actress|actrice|f|actresses
guard|gardien|m
waiter|serveur|m
tailor|tailleur|m
""")

BUILDINGS = _nouns("""
house|maison|f
shop|boutique|f
school|école|f
harbour|port|m
market|marché|m
bridge|pont|m
church|église|f|churches
museum|musée|m
library|bibliothèque|f|libraries
station|gare|f
garden|jardin|m
kitchen|cuisine|f
bakery|boulangerie|f|bakeries
hotel|hôtel|m
theatre|théâtre|m
tower|tour|f
farm|ferme|f
mill|moulin|m
lighthouse|phare|m
workshop|atelier|m
hospital|hôpital|m
beach|plage|f|beaches
boat|bateau|m
cellar|cave|f
attic|grenier|m
bank|banque|f
chapel|chapelle|f
square|place|f
""")


class Adjective(NamedTuple):
    english: str
    masculine: str
    feminine: str
    before_noun: bool


def _adjectives(table: str, before_noun: bool) -> list[Adjective]:
    lines = (line.split("|") for line in table.strip().splitlines())
    return [Adjective(english, masculine, feminine, before_noun) for english, masculine, feminine in lines]


ADJECTIVES = _adjectives(
    """
red|rouge|rouge
green|vert|verte
blue|bleu|bleue
black|noir|noire
grey|gris|grise
yellow|jaune|jaune
brown|brun|brune
heavy|lourd|lourde
light|léger|légère
clean|propre|propre
empty|vide|vide
full|plein|pleine
cold|froid|froide
warm|chaud|chaude
narrow|étroit|étroite
fragile|fragile|fragile
modern|moderne|moderne
solid|solide|solide
round|rond|ronde
square|carré|carrée
dirty|sale|sale
quiet|calme|calme
famous|célèbre|célèbre
open|ouvert|ouverte
closed|fermé|fermée
rare|rare|rare
strange|étrange|étrange
simple|simple|simple
dry|sec|sèche
wet|mouillé|mouillée
lost|perdu|perdue
broken|cassé|cassée
painted|peint|peinte
useful|utile|utile
""",
    before_noun=False,
) + _adjectives(
    """
small|petit|petite
big|grand|grande
pretty|joli|jolie
bad|mauvais|mauvaise
young|jeune|jeune
""",
    before_noun=True,
)


class Verb(NamedTuple):
    """A verb with a regular French twin in -er: the stem is all that is needed."""

    base: str
    third: str
    participle: str
    french_stem: str
    particle: str = ""


VERBS = [
    Verb(*line.split("|"))
    for line in """
close|closes|closing|ferm
prepare|prepares|preparing|prépar
look for|looks for|looking for|cherch
watch|watches|watching|regard
carry|carries|carrying|port
bring|brings|bringing|apport
wash|washes|washing|lav
show|shows|showing|montr
find|finds|finding|trouv
repair|repairs|repairing|répar
draw|draws|drawing|dessin
count|counts|counting|compt
keep|keeps|keeping|gard
hide|hides|hiding|cach
order|orders|ordering|command
deliver|delivers|delivering|livr
wrap|wraps|wrapping|emball
love|loves|loving|ador
admire|admires|admiring|admir
cross|crosses|crossing|travers
forget|forgets|forgetting|oubli
copy|copies|copying|copi
break|breaks|breaking|cass
push|pushes|pushing|pouss
pull|pulls|pulling|tir
visit|visits|visiting|visit
ask for|asks for|asking for|demand
refuse|refuses|refusing|refus
accept|accepts|accepting|accept
measure|measures|measuring|mesur
decorate|decorates|decorating|décor
check|checks|checking|vérifi
rent|rents|renting|lou
borrow|borrows|borrowing|emprunt
photograph|photographs|photographing|photographi
polish|polishes|polishing|astiqu
touch|touches|touching|touch
""".strip().splitlines()
]


def a(phrase: str) -> str:
    """The phrase with the right English indefinite article before it."""
    return ("an " if phrase[0].lower() in "aeiou" else "a ") + phrase


def capitalised(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
