"""Word lists of the small world in its five languages: colours, animals, things, jobs, days, numbers.

A row is one meaning: English / Spanish / French / German / Chinese.
"""

from __future__ import annotations

from playground.starter.text_turns import LANGUAGES, words

Row = dict[str, str]


def rows(table: str) -> tuple[Row, ...]:
    """The rows of a table, one a line; raises ValueError for a row that lacks a language."""
    lines = [line.strip() for line in table.strip().splitlines()]
    return tuple(dict(zip(LANGUAGES, line.split("/"), strict=True)) for line in lines if line)


COLOURS = rows("""
    red/rojo/rouge/rot/红色
    green/verde/vert/grün/绿色
    blue/azul/bleu/blau/蓝色
    yellow/amarillo/jaune/gelb/黄色
    orange/naranja/orange/orange/橙色
    purple/morado/violet/lila/紫色
    pink/rosa/rose/rosa/粉色
    white/blanco/blanc/weiß/白色
    black/negro/noir/schwarz/黑色
    grey/gris/gris/grau/灰色
    brown/marrón/marron/braun/棕色
""")
# Indefinite in each language; in German and Chinese as after "I have".
PETS = rows("""
    a dog/un perro/un chien/einen Hund/一只狗
    a cat/un gato/un chat/eine Katze/一只猫
    a bird/un pájaro/un oiseau/einen Vogel/一只鸟
    a fish/un pez/un poisson/einen Fisch/一条鱼
    a horse/un caballo/un cheval/ein Pferd/一匹马
    a rabbit/un conejo/un lapin/ein Kaninchen/一只兔子
    a turtle/una tortuga/une tortue/eine Schildkröte/一只乌龟
    a mouse/un ratón/une souris/eine Maus/一只老鼠
    a parrot/un loro/un perroquet/einen Papagei/一只鹦鹉
    a snake/una serpiente/un serpent/eine Schlange/一条蛇
    a duck/un pato/un canard/eine Ente/一只鸭子
    a goat/una cabra/une chèvre/eine Ziege/一只山羊
""")
# Counted, after a number; Chinese with its measure word.
THINGS = rows("""
    apples/manzanas/pommes/Äpfel/个苹果
    books/libros/livres/Bücher/本书
    coins/monedas/pièces/Münzen/枚硬币
    pens/bolígrafos/stylos/Stifte/支笔
    eggs/huevos/œufs/Eier/个鸡蛋
    cards/cartas/cartes/Karten/张卡片
    balls/pelotas/balles/Bälle/个球
    cookies/galletas/biscuits/Kekse/块饼干
    stars/estrellas/étoiles/Sterne/颗星星
    cups/tazas/tasses/Tassen/个杯子
    oranges/naranjas/oranges/Orangen/个橙子
    toys/juguetes/jouets/Spielzeuge/个玩具
    flowers/flores/fleurs/Blumen/朵花
    stamps/sellos/timbres/Briefmarken/张邮票
    candies/caramelos/bonbons/Bonbons/颗糖
    tickets/boletos/billets/Tickets/张票
    fish/peces/poissons/Fische/条鱼
    chairs/sillas/chaises/Stühle/把椅子
    keys/llaves/clés/Schlüssel/把钥匙
    shells/conchas/coquillages/Muscheln/个贝壳
""")
# As after "works as".
JOBS = rows("""
    a baker/en una panadería/dans une boulangerie/in einer Bäckerei/面包师
    a teacher/en una escuela/dans une école/in einer Schule/老师
    a doctor/en un hospital/dans un hôpital/in einem Krankenhaus/医生
    a cook/en un restaurante/dans un restaurant/in einem Restaurant/厨师
    a farmer/en una granja/dans une ferme/auf einem Bauernhof/农民
    a librarian/en una biblioteca/dans une bibliothèque/in einer Bibliothek/图书管理员
    a mechanic/en un taller/dans un garage/in einer Werkstatt/修理工
    a bank clerk/en un banco/dans une banque/in einer Bank/银行职员
    a sailor/en un barco/sur un bateau/auf einem Schiff/水手
    a gardener/en un jardín/dans un jardin/in einem Garten/园丁
    a waiter/en un café/dans un café/in einem Café/服务员
    a salesperson/en una tienda/dans un magasin/in einem Laden/售货员
""")
# As after "I like to eat".
FOODS = rows("""
    bread/pan/du pain/Brot/面包
    rice/arroz/du riz/Reis/米饭
    soup/sopa/de la soupe/Suppe/汤
    cheese/queso/du fromage/Käse/奶酪
    pizza/pizza/de la pizza/Pizza/披萨
    fish/pescado/du poisson/Fisch/鱼
    cake/pastel/du gâteau/Kuchen/蛋糕
    salad/ensalada/de la salade/Salat/沙拉
    chocolate/chocolate/du chocolat/Schokolade/巧克力
    fruit/fruta/des fruits/Obst/水果
""")
DAYS = rows("""
    Monday/lunes/lundi/Montag/星期一
    Tuesday/martes/mardi/Dienstag/星期二
    Wednesday/miércoles/mercredi/Mittwoch/星期三
    Thursday/jueves/jeudi/Donnerstag/星期四
    Friday/viernes/vendredi/Freitag/星期五
    Saturday/sábado/samedi/Samstag/星期六
    Sunday/domingo/dimanche/Sonntag/星期日
""")
MONTHS = rows("""
    January/enero/janvier/Januar/一月
    February/febrero/février/Februar/二月
    March/marzo/mars/März/三月
    April/abril/avril/April/四月
    May/mayo/mai/Mai/五月
    June/junio/juin/Juni/六月
    July/julio/juillet/Juli/七月
    August/agosto/août/August/八月
    September/septiembre/septembre/September/九月
    October/octubre/octobre/Oktober/十月
    November/noviembre/novembre/November/十一月
    December/diciembre/décembre/Dezember/十二月
""")
_SMALL = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept "
    "dix-huit dix-neuf vingt",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn zwanzig",
    "zh": "零 一 二 三 四 五 六 七 八 九 十 十一 十二 十三 十四 十五 十六 十七 十八 十九 二十",
}
NUMBER_WORDS = {lang: words(text) for lang, text in _SMALL.items()}
COMMON = words("""time person year way thing man world life hand part child eye woman place work week case point
    group problem fact
    water room mother area money story month lot study book word business issue side kind head house service friend
    father power hour game line end member law car city name team minute idea body back parent face level office door
    health art war party result change morning reason moment air teacher force apple river mountain garden window
    kitchen bread butter sugar chair lamp mirror pencil paper bottle basket bridge castle forest island village market
    engine wheel planet rocket dragon wizard tiger rabbit monkey parrot dolphin turtle spoon fork plate knife ladder
    hammer needle button jacket shirt shoe hat glove pocket coin ticket letter stamp candle blanket pillow carpet
    curtain guitar violin drum flute cloud storm thunder rain sun moon sand shell wave boat sail anchor train track
    station road street corner tower bell clock watch phone screen keyboard mouse cable paint brush canvas frame picture
    camera lens film stage cotton silk wool leather metal copper silver gold stone brick wood leaf root seed flower
    grass farm field silver lemon honey pepper rocket teapot piano violet copper marble puzzle winter summer""")


def article(word: str) -> str:
    """An English noun phrase with "a" or "an"."""
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
