# Writes nino-sst.csv beside itself from the table that statsmodels ships (pip install statsmodels).
import pathlib

import statsmodels.datasets.elnino

table = statsmodels.datasets.elnino.load_pandas().data
with open(pathlib.Path(__file__).with_suffix(".csv"), "w") as file:
    file.write("date,temperature\n")
    for year in table.itertuples(index=False):
        for month, temperature in enumerate(year[1:], start=1):
            file.write(f"{int(year[0])}-{month:02},{temperature:.2f}\n")
