"""The classes of USDA's Cropland Data Layer (CDL) and their default grouping.

Codes and names as in the attribute table of the CDL, colours as in the colour table of its GeoTIFFs (that of 2021;
code 62, unused since 2007, takes the colour of its successor 176). Source: USDA National Agricultural Statistics
Service, public domain. The CDL is a map made from satellite images, not ground truth: about 95 % of its corn and
soybeans are right, far less of its minor classes, and field edges are noisy.
"""

from mmvsf.datasets.cube.legend import Legend, LegendClass

_TABLE = """\
1 ffd200 Corn
2 ff2525 Cotton
3 00a8e3 Rice
4 ff9e0a Sorghum
5 256f00 Soybeans
6 ffff00 Sunflower
10 6fa400 Peanuts
11 00ae4a Tobacco
12 dda40a Sweet Corn
13 dda40a Pop or Orn Corn
14 7dd2ff Mint
21 e1007b Barley
22 886153 Durum Wheat
23 d7b56b Spring Wheat
24 a46f00 Winter Wheat
25 d59ebb Other Small Grains
26 6f6f00 Dbl Crop WinWht/Soybeans
27 ac007b Rye
28 9f5888 Oats
29 6f0048 Millet
30 d59ebb Speltz
31 d1ff00 Canola
32 7d99ff Flaxseed
33 d5d500 Safflower
34 d1ff00 Rape Seed
35 00ae4a Mustard
36 ffa4e1 Alfalfa
37 a4f18b Other Hay/Non Alfalfa
38 00ae4a Camelina
39 d59ebb Buckwheat
41 a800e3 Sugarbeets
42 a40000 Dry Beans
43 6f2500 Potatoes
44 00ae4a Other Crops
45 b07dff Sugarcane
46 6f2500 Sweet Potatoes
47 ff6666 Misc Vegs & Fruits
48 ff6666 Watermelons
49 ffcc66 Onions
50 ff6666 Cucumbers
51 00ae4a Chick Peas
52 00ddae Lentils
53 53ff00 Peas
54 f1a277 Tomatoes
55 ff6666 Caneberries
56 00ae4a Hops
57 7dd2ff Herbs
58 e8beff Clover/Wildflowers
59 aeffdd Sod/Grass Seed
60 00ae4a Switchgrass
61 bebe77 Fallow/Idle Cropland
62 e8ffbe Pasture/Grass
63 92cc92 Forest
64 c5d59e Shrubland
65 ccbea2 Barren
66 ff00ff Cherries
67 ff8eaa Peaches
68 b9004f Apples
69 6f4488 Grapes
70 007777 Christmas Trees
71 b09a6f Other Tree Crops
72 ffff7d Citrus
74 b56f5b Pecans
75 00a482 Almonds
76 e9d5ae Walnuts
77 b09a6f Pears
81 f1f1f1 Clouds/No Data
82 9a9a9a Developed
83 4a6fa2 Water
87 7db0b0 Wetlands
88 e8ffbe Nonag/Undefined
92 00ffff Aquaculture
111 4a6fa2 Open Water
112 d2e1f8 Perennial Ice/Snow
121 9a9a9a Developed/Open Space
122 9a9a9a Developed/Low Intensity
123 9a9a9a Developed/Med Intensity
124 9a9a9a Developed/High Intensity
131 ccbea2 Barren
141 92cc92 Deciduous Forest
142 92cc92 Evergreen Forest
143 92cc92 Mixed Forest
152 c5d59e Shrubland
176 e8ffbe Grassland/Pasture
190 7db0b0 Woody Wetlands
195 7db0b0 Herbaceous Wetlands
204 00ff8b Pistachios
205 d59ebb Triticale
206 ff6666 Carrots
207 ff6666 Asparagus
208 ff6666 Garlic
209 ff6666 Cantaloupes
210 ff8eaa Prunes
211 334833 Olives
212 e36f25 Oranges
213 ff6666 Honeydew Melons
214 ff6666 Broccoli
215 66994b Avocados
216 ff6666 Peppers
217 b09a6f Pomegranates
218 ff8eaa Nectarines
219 ff6666 Greens
220 ff8eaa Plums
221 ff6666 Strawberries
222 ff6666 Squash
223 ff8eaa Apricots
224 00ae4a Vetch
225 ffd200 Dbl Crop WinWht/Corn
226 ffd200 Dbl Crop Oats/Corn
227 ff6666 Lettuce
228 ff6666 Dbl Crop Triticale/Corn
229 ff6666 Pumpkins
230 886153 Dbl Crop Lettuce/Durum Wht
231 ff6666 Dbl Crop Lettuce/Cantaloupe
232 ff2525 Dbl Crop Lettuce/Cotton
233 a1007b Dbl Crop Lettuce/Barley
234 ff9e0a Dbl Crop Durum Wht/Sorghum
235 ff9e0a Dbl Crop Barley/Sorghum
236 a46f00 Dbl Crop WinWht/Sorghum
237 ffd200 Dbl Crop Barley/Corn
238 a46f00 Dbl Crop WinWht/Cotton
239 256f00 Dbl Crop Soybeans/Cotton
240 256f00 Dbl Crop Soybeans/Oats
241 ffd200 Dbl Crop Corn/Soybeans
242 000099 Blueberries
243 ff6666 Cabbage
244 ff6666 Cauliflower
245 ff6666 Celery
246 ff6666 Radishes
247 ff6666 Turnips
248 ff6666 Eggplants
249 ff6666 Gourds
250 ff6666 Cranberries
254 256f00 Dbl Crop Barley/Soybeans
"""

CDL = Legend(
    tuple(
        LegendClass(int(code), name, f"#{color}")
        for code, color, name in (line.split(" ", 2) for line in _TABLE.splitlines())
    )
)
"""Code 0 (background, beyond the borders) is unknown."""

CDL_ATTRIBUTION = "USDA National Agricultural Statistics Service, Cropland Data Layer; public domain"

CDL_LICENCE = "public domain"

CDL_FIRST_YEAR = 2008
"""The first year that covers all of the contiguous United States."""

CDL_GROUPS: dict[str, tuple[int, ...] | str] = {
    "corn": (1, 12, 13),
    "soybeans": (5,),
    "winter wheat": (24,),
    "alfalfa and hay": (36, 37),
    "grass and pasture": (62, 176),
    "forest": (63, 141, 142, 143),
    "developed": (82, 121, 122, 123, 124),
    "water and wetland": (83, 87, 92, 111, 190, 195),
    "other": "rest",
    "unknown": (81, 88),
}
"""What `labels.groups: default` stands for. Corn is field, sweet and pop corn; two crops of one season (winter
wheat, then soybeans) are `other`; clouds and undefined ground are unknown."""

CDL_GROUP_COLORS = {"other": "#b0a08c"}
"""Colours of groups that have no first class to take one from."""
